"""What buyers were told is theirs, read from the shards of the history once the load has ended: the drain waits until it is so."""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

# Only lines that can matter are parsed: of a million operations most were told sold out.
TELLING = (b'"won"', b'"already_bought"', b'"confirmed"', b'"rejected"')


class Answered(msgspec.Struct):
    """The part of an answer that says what a buyer has."""

    o: str
    n: str | None = None


class Line(msgspec.Struct):
    """The part of an ended operation that is needed here."""

    b: str
    k: str
    a: Answered | None = None


PARSE = msgspec.json.Decoder(Line).decode


@dataclass(frozen=True)
class Promises:
    """The promises of a sale that no poll has withdrawn: (number, buyer), and of wins without a number how many each buyer has."""

    numbered: frozenset[tuple[str, str]] = frozenset()
    unnumbered: tuple[tuple[str, int], ...] = ()

    def kept(self, rows: Iterable[tuple[str | None, str | None]], rejected: Iterable[tuple[str, str | None]]) -> bool:
        """Whether each has its row, or was explicitly rejected.

        A number that is a row is kept, whoever's row it became. So is every promise of a buyer who has as many rows as promises: the shop
        may tell its orders by other numbers than it stores. Where rows have no buyers, and none of the numbers is a row, as many rows as
        promises will do.
        """
        numbers, buyers = set(), Counter[str | None]()
        for number, buyer in rows:
            numbers.add(number)
            buyers[buyer] += 1
        given_up = set(rejected)
        open_ones = [promise for promise in self.numbered if promise[0] not in numbers and promise not in given_up]
        if not open_ones and not self.unnumbered:
            return True
        if not buyers.keys() - {None} and len(open_ones) in (0, len(self.numbered - given_up)):
            return buyers[None] >= len(self.numbered - given_up) + sum(dict(self.unnumbered).values())
        owed = Counter(buyer for _, buyer in self.numbered - given_up)
        owed.update(dict(self.unnumbered))
        return all(
            buyers[buyer] >= owed[buyer] for buyer in {buyer for _, buyer in open_ones} | dict(self.unnumbered).keys()
        )


@dataclass
class Told:
    """What buyers have been told so far. A number is None where the answer had none."""

    won: set[tuple[str, str]] = field(default_factory=set)
    again: set[tuple[str, str]] = field(default_factory=set)
    unnumbered: Counter[str] = field(default_factory=Counter)
    confirmed: set[tuple[str | None, str]] = field(default_factory=set)
    rejected: set[tuple[str | None, str]] = field(default_factory=set)

    def hear(self, kind: str, buyer: str, outcome: str, number: str | None) -> None:
        """Take one answer into account. `accepted` promises nothing: the queue has the order, and may still reject it."""
        if kind == "status":
            if outcome in ("confirmed", "rejected"):
                (self.confirmed if outcome == "confirmed" else self.rejected).add((number, buyer))
        elif outcome in ("won", "already_bought") and number is not None:
            (self.won if outcome == "won" else self.again).add((number, buyer))
        elif outcome == "won":
            self.unnumbered[buyer] += 1

    def promises(self) -> Promises:
        """What of it stands.

        A number that a buyer is told only when asking again is that of a win without one, if there was such. Who was only ever told that the
        order is accepted has what a poll has confirmed.
        """
        won, unnumbered = self.won | self.again, Counter(self.unnumbered)
        unnumbered.subtract(buyer for _, buyer in self.again - self.won)
        waited = {buyer for _, buyer in won} | self.unnumbered.keys()
        for number, buyer in self.confirmed:
            if buyer not in waited and number is not None:
                won.add((number, buyer))
            elif buyer not in waited:
                unnumbered[buyer] = 1
        for number, buyer in self.rejected:
            if number is not None:
                won.discard((number, buyer))
            else:
                unnumbered[buyer] -= 1
        return Promises(frozenset(won), tuple((+unnumbered).items()))


def read_promises(history: Path) -> Promises:
    """The promises in the shards of the folder `history`. Lines that a killed generator left torn are passed over."""
    told = Told()
    for line in _lines(history):
        if line.a is not None:
            told.hear(line.k, line.b, line.a.o, line.a.n)
    return told.promises()


def _lines(history: Path) -> Iterator[Line]:
    for shard in sorted(history.glob("*.jsonl")):
        with shard.open("rb") as file:
            for text in file:
                if any(telling in text for telling in TELLING):
                    with suppress(msgspec.DecodeError):
                        yield PARSE(text)
