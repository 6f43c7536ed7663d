"""What buyers were told is theirs, read from the shards of the history once the load has ended: the drain waits until it is so."""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

# Only lines that can matter are parsed: of a million operations most were told sold out.
TELLING = (b'"won"', b'"already_bought"', b'"rejected"')


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

    def kept(self, rows: Iterable[tuple[str, str | None]], rejected: Iterable[tuple[str, str | None]]) -> bool:
        """Whether each has its row, or was explicitly rejected.

        A number that is a row is kept, whoever's row it became. So is every promise of a buyer who has as many rows as promises: the shop
        may tell its orders by other numbers than it stores.
        """
        numbers, buyers = set(), Counter[str | None]()
        for number, buyer in rows:
            numbers.add(number)
            buyers[buyer] += 1
        given_up = set(rejected)
        open_ones = [promise for promise in self.numbered if promise[0] not in numbers and promise not in given_up]
        if not open_ones and not self.unnumbered:
            return True
        owed = Counter(buyer for _, buyer in self.numbered - given_up)
        owed.update(dict(self.unnumbered))
        return all(
            buyers[buyer] >= owed[buyer] for buyer in {buyer for _, buyer in open_ones} | dict(self.unnumbered).keys()
        )


def read_promises(history: Path) -> Promises:
    """The promises in the shards of the folder `history`. Lines that a killed generator left torn are passed over."""
    told: set[tuple[str, str]] = set()
    withdrawn: set[tuple[str, str]] = set()
    unnumbered = Counter[str]()
    for line in _lines(history):
        answer = line.a
        if answer is None:
            continue
        if line.k == "status":
            if answer.o == "rejected" and answer.n is not None:
                withdrawn.add((answer.n, line.b))
        elif answer.n is not None:
            told.add((answer.n, line.b))
        elif answer.o == "won":
            unnumbered[line.b] += 1
    return Promises(frozenset(told - withdrawn), tuple(unnumbered.items()))


def _lines(history: Path) -> Iterator[Line]:
    for shard in sorted(history.glob("*.jsonl")):
        with shard.open("rb") as file:
            for text in file:
                if any(telling in text for telling in TELLING):
                    with suppress(msgspec.DecodeError):
                        yield PARSE(text)
