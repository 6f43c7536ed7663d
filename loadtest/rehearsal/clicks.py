"""What the buyers of a rehearsal do, and what is to be thought of each answer: as it should be, odd, or the manifest's mistake."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from loadtest.ledger.rows import Row
from loadtest.manifest.shop import Shop
from loadtest.rehearsal.rules_told import remedy_for_unnamed, rule_text, suggested_rule
from loadtest.rehearsal.telling import Telling, beginning
from loadtest.rehearsal.visitor import Talk, Visitor

DECIDED_S = 10.0
BUY = "[http.buy]"
STEPS_REMEDY = (
    "mend [[http.before]] of the manifest: its request, what it expects and captures; and see that these users exist"
)
NUMBER_REMEDY = "mend number under [http.buy] in the manifest: where an answer has the id of the order; or take it out"
# What the first buyer should not be told, though a rule says so.
NOT_FIRST = {
    "sold_out": "see whether the outcomes of [http.buy] in the manifest are the wrong way round, and that [prepare] puts something up for sale",
    "already_bought": "let [prepare] clear what earlier sales left; or see whether the rule that matched says what it means",
    "throttled": "the very first request was throttled: give the shop a rest, or see whether the rule that matched says what it means",
    "refused": "the shop refuses the very first order: mend the request, or see whether the rule that matched says what it means",
    "unknown": "a rule says unknown of the very first answer: name what it means",
}


@dataclass
class Clicks:
    """Lets buyers of one shop do what they do, and tells it."""

    shop: Shop
    per_buyer: int
    telling: Telling
    settle: Callable[[], None]  # waits until the rows of those who bought stand
    second: Talk | None = None
    first: Talk | None = None
    late: Talk | None = None
    deaf: bool = False  # whether asking after an order leads nowhere

    def everything(self, visitor: Visitor) -> bool:
        """All that a buyer can do. Whether they came to buy."""
        if warmed := visitor.warm():
            self._step(warmed, "mend [http] warm of the manifest, or take it out")
        for at in ("before", "click"):
            for talk in visitor.steps(at):
                if not self._step(talk, STEPS_REMEDY, "click" if at == "click" else ""):
                    return False
        self.first = visitor.buy()
        if not self._bought(self.first):
            return False
        # What is only accepted may be decided later, and only then does the shop know that this buyer has one.
        waits = self.first.outcome == "accepted"
        if not waits:
            self._again(visitor)
        if self.shop.http.status:
            self._look(visitor)
        else:
            self.telling.grey("what became of it", "cannot be asked: there is no [http.status]")
        if waits:
            self._again(visitor)
        return True

    def quietly(self, visitor: Visitor) -> bool:
        """The same without a word, as long as it goes well. Whether they bought."""
        visitor.warm()
        for at in ("before", "click"):
            for talk in visitor.steps(at):
                if talk.why:
                    return self._step(talk, STEPS_REMEDY, f"buyer {visitor.id}")
        talk = visitor.buy()
        if talk.outcome not in ("won", "accepted"):
            self.telling.wrong(
                f"{talk.request}, {visitor.id}", self._said(talk),
                f"another buyer, while units are left, is not sold one: see that users differ ({{buyer}} in the request); {self._remedy(talk, 'won')}", talk,
            )  # fmt: skip
            return False
        return True

    def ask(self, visitor: Visitor) -> list[Talk]:
        """Let them ask what became of it, without a word, where that leads anywhere."""
        return (
            visitor.look(DECIDED_S) if self.shop.http.status and not self.deaf and not self._numberless(visitor) else []
        )

    def too_late(self, visitor: Visitor) -> None:
        """One more, when nothing is left."""
        visitor.warm()
        for at in ("before", "click"):
            for talk in visitor.steps(at):
                if talk.why:
                    self._step(talk, STEPS_REMEDY, "with nothing left")
                    return
        talk = self.late = visitor.buy()
        what = f"{talk.request}, one too late"
        if talk.outcome == "sold_out":
            self.telling.good(what, self._said(talk), beginning(talk))
        elif talk.outcome in ("won", "accepted"):
            self._told_late(visitor, talk, what)
        elif talk.outcome == "unknown":
            self.telling.wrong(what, self._said(talk), self._remedy(talk, "sold_out"), talk)
        else:
            self.telling.wrong(
                what, self._said(talk),
                f"the answer when nothing is left is taken for {talk.outcome}: name it in {BUY} outcomes, before that rule: {suggested_rule(talk, 'sold_out')}", talk,
            )  # fmt: skip

    def _told_late(self, visitor: Visitor, talk: Talk, what: str) -> None:
        """Who comes too late is accepted, and learns it when they ask."""
        looks = self.ask(visitor)
        if visitor.state == "rejected":
            self.telling.good(what, f"{talk.outcome}, then rejected", beginning(looks[-1]))

    def conclude(self, first: Visitor, late: Visitor | None, rows: Sequence[Row]) -> None:
        """What only the rows could tell: of the second purchase, and of the one too late."""
        theirs = [row for row in rows if row.buyer == first.id]
        known = any(row.buyer is not None for row in rows)
        if self.second and self.second.outcome in ("won", "accepted") and self._same(self.first, self.second):
            if known and len(theirs) > self.per_buyer:
                self.telling.odd(
                    "one buyer, one unit", f"{first.id} has {len(theirs)} rows: the shop sold twice to the same buyer",
                    f"if that is allowed, say so: --set per_buyer={len(theirs)}; a sale would call it per_buyer INVALID",
                )  # fmt: skip
            elif known and self.second.outcome == "accepted":  # which promises nothing
                self.telling.good(
                    "a second purchase sells nothing",
                    f"it is accepted like the first, and {first.id} has {len(theirs)} row{'s' * (len(theirs) != 1)}",
                )
            elif known and first.state != "rejected" and rows:
                self.telling.wrong(
                    "a second purchase is told apart", f"it is answered {self.second.outcome} like the first, and has no row of its own",
                    f"name what the shop says to who has bought already, before the rule for {self.second.outcome}: is = \"already_bought\"", self.second,
                )  # fmt: skip
        if late and self.late and self.late.outcome in ("won", "accepted") and late.state != "rejected":
            if any(row.buyer == late.id for row in rows) or (not known and late.number in {row.number for row in rows}):
                self.telling.odd(
                    "nothing is sold that is not there", "the shop sold more than its stock, to one buyer after the other",
                    "a sale would call it oversell INVALID; if more was for sale, let [prepare] put {stock} up for sale",
                )  # fmt: skip
            else:
                self.telling.wrong(
                    f"{self.late.request}, one too late", f"{self._said(self.late)}: the same as with units left, and there is no row",
                    f"name what the shop says when nothing is left, before the rule for {self.late.outcome}: is = \"sold_out\"; or, where the decision comes later, "
                    "let the rule say accepted, and [http.status] who was rejected", self.late,
                )  # fmt: skip

    def _step(self, talk: Talk, remedy: str, note: str = "") -> bool:
        what = f"{talk.request}{f', {note}' if note else ''}"
        if talk.why:
            self.telling.wrong(what, talk.why, remedy, talk)
            return False
        status = str(talk.response.status) if talk.response else ""
        kept = ", ".join(f"{name} = {_shown(value)}" for name, value in talk.captured.items())
        self.telling.good(what, f"{status}{f'  {kept}' if kept else ''}", beginning(talk))
        return True

    def _bought(self, talk: Talk) -> bool:
        if talk.outcome in ("won", "accepted") and not talk.why:
            self.telling.good(talk.request, self._said(talk), beginning(talk))
            return True
        if talk.outcome == "won":
            self.telling.wrong(talk.request, f"{self._said(talk)}: {talk.why}", NUMBER_REMEDY, talk)
            return True
        if talk.reading and talk.reading.rule is not None:
            remedy = f"{NOT_FIRST[talk.outcome]} (if the answer is right: {suggested_rule(talk, 'won')})"
            self.telling.wrong(talk.request, self._said(talk), remedy, talk)
        else:
            self.telling.wrong(talk.request, self._said(talk), self._remedy(talk, "won"), talk)
        return False

    def _again(self, visitor: Visitor) -> None:
        """The same buyer buys a second time, when the shop has had time to know of the first."""
        self.settle()
        number = visitor.number
        for talk in visitor.steps("click"):
            if talk.why:
                self.telling.good(f"{talk.request}, again", f"refused: {talk.why}", beginning(talk))
                return
        talk = self.second = visitor.buy()
        what = f"{talk.request}, again"
        if talk.outcome == "unknown":
            self.telling.wrong(what, self._said(talk), self._remedy(talk, "already_bought"), talk)
        elif talk.outcome in ("won", "accepted"):
            note = "; the rows will tell"
            if number and visitor.number:
                note = ", which is the first" if visitor.number == number else ", a second unit"
            self.telling.good(what, self._said(talk) + note, beginning(talk))
        elif talk.outcome == "sold_out" and self.per_buyer == 1:
            self.telling.odd(
                what, f"{self._said(talk)}, though units are left",
                f"name what the shop says to who has bought already: {suggested_rule(talk, 'already_bought')}", talk,
            )  # fmt: skip
        else:
            self.telling.good(what, self._said(talk), beginning(talk))
        if visitor.outcomes and visitor.outcomes[0] in ("won", "accepted") and number:
            visitor.number = number

    def _look(self, visitor: Visitor) -> None:
        """The buyer asks what became of it."""
        status = self.shop.http.status
        assert status is not None
        if self._numberless(visitor):
            self.telling.wrong(
                status.request, "asks by {number}, which the answer to the purchase did not tell",
                "say where that answer has it: number under [http.buy], or capture another value there and ask by that",
            )  # fmt: skip
            return
        looks = visitor.look(DECIDED_S)
        last = looks[-1]
        way = " → ".join(
            talk.outcome
            if talk.reading and talk.reading.rule is not None
            else f"HTTP {talk.response.status}"
            if talk.response
            else "no answer"
            for talk in looks
        )
        rule = rule_text(status.rules, last.reading.rule if last.reading else None)
        told = f", number {visitor.number}" if last.reading and last.reading.number else ""
        if last.outcome in ("confirmed", "rejected"):
            said = f"{way}{told}   {rule}" if rule else f"{way}{told}"
            if last.outcome == "confirmed":
                self.telling.good(status.request, said, beginning(last))
            else:
                self.telling.odd(
                    status.request,
                    said,
                    "the very first order was rejected: see why; or the rule that matched means something else",
                    last,
                )
        elif last.outcome == "pending":
            self.deaf = True
            self.telling.odd(
                status.request, f"still {way} after {DECIDED_S:g} s",
                "if the order is placed by then, name what the shop says of it: confirmed; else see that its worker runs", last,
            )  # fmt: skip
        else:
            self.deaf = True
            self.telling.wrong(
                status.request, f"{last.why or way}",
                f"mend the request of [http.status], or state, pending, confirmed and rejected under [http.status] in the manifest: {suggested_rule(last, 'confirmed')}", last,
            )  # fmt: skip

    def _numberless(self, visitor: Visitor) -> bool:
        status = self.shop.http.status
        return (
            status is not None
            and "{number}" in f"{status.request} {status.form} {status.body} {status.headers} {status.text}"
            and visitor.number is None
        )

    def _said(self, talk: Talk) -> str:
        """``202 → won, number T-1   rule 1: status 202``."""
        if talk.response is None:
            return talk.why
        reading = talk.reading
        if reading is None or reading.rule is None:
            return f"{talk.response.status}, no rule"
        number = f", number {reading.number}" if reading.number else ""
        kept = "".join(f", {name} = {_shown(value)}" for name, value in (reading.captured or {}).items())
        return f"{talk.response.status} → {talk.outcome}{number}{kept}   {rule_text(self.shop.http.buy.outcomes, reading.rule)}"

    def _remedy(self, talk: Talk, meaning: str) -> str:
        return remedy_for_unnamed(talk, meaning)

    def _same(self, one: Talk | None, other: Talk | None) -> bool:
        """Whether the same rule took both, and the second told no number of its own that the first did not."""
        if not (one and other and one.reading and other.reading):
            return False
        return one.reading.rule == other.reading.rule


def _shown(value: object) -> str:
    """A captured value, as far as one needs it to recognise it."""
    text = str(value)
    return text if len(text) <= 12 else f"{text[:6]}… ({len(text)} characters)"
