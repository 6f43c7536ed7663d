"""The demand: what a sale has to achieve, parsed from options such as ``20000``, ``300/s`` and ``60s``."""

import re
from dataclasses import dataclass
from typing import Literal, get_args

from loadtest.errors import UsageError
from loadtest.experiment.names import nearest

Broker = Literal["redis", "rabbitmq"]

WHOLE = re.compile(r"[0-9][0-9_,]*")
AMOUNT = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(.*)")
SECONDS = {"": 1.0, "ms": 0.001, "s": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0}
PER_SECOND = {"": 1.0, "/s": 1.0, "/min": 1 / 60, "/m": 1 / 60}
MOST = 10_000_000  # units, as in an experiment
MOST_BUYERS = 10_000_000_000
# Rows a second, and seconds: beyond these nothing is a sale.
LEAST, HIGHEST = 0.001, 1e6


@dataclass(frozen=True)
class Demand:
    """What a sale has to achieve: sell `stock` units to `buyers` who all come at T0, write at most `budget_per_s` rows in any second,
    and give everybody a final answer within `within_s` seconds.
    """

    stock: int
    buyers: int
    budget_per_s: float
    within_s: float
    broker: Broker | None = None


def demand(stock: str | None, buyers: str | None, budget: str | None, within: str | None, broker: str | None) -> Demand:
    """The demand that the options state.

    Raises:
        UsageError: one is missing or cannot be parsed, or there is no such broker.
    """
    if broker is not None and broker not in get_args(Broker):
        raise UsageError(f"--broker {broker!r}: no such broker; {nearest(broker, get_args(Broker))}")
    return Demand(
        _count("--stock", stock, MOST),
        _count("--buyers", buyers, MOST_BUYERS),
        amount("--db-budget", budget, PER_SECOND, "rows a second from 0.001 to 1e6, such as 300/s"),
        amount("--answer-within", within, SECONDS, "a time from 1ms to 1e6 s, such as 60s or 2min"),
        broker,  # type: ignore[arg-type]
    )


def amount(option: str, text: str | None, units: dict[str, float], expected: str) -> float:
    """`text` as a number times the factor of its unit; `units`: unit → factor. Raises UsageError with `expected` in its message."""
    found = AMOUNT.fullmatch(_given(option, text, expected).strip())
    if found is None or found[2] not in units or not LEAST <= float(found[1]) * units[found[2]] <= HIGHEST:
        raise UsageError(f"{option} {text!r}: expected {expected}")
    return float(found[1]) * units[found[2]]


def _count(option: str, text: str | None, most: int) -> int:
    expected = f"a whole number from 1 to {most:,}"
    given = _given(option, text, expected).strip()
    count = int(re.sub("[_,]", "", given)) if WHOLE.fullmatch(given) else 0
    if not 1 <= count <= most:
        raise UsageError(f"{option} {text!r}: expected {expected}")
    return count


def _given(option: str, text: str | None, expected: str) -> str:
    if text is None:
        raise UsageError(f"{option}: required; give {expected}")
    return text
