"""Who the buyers are: who clicks twice, and who shares a scalpers' account. Arithmetic only; the same seed makes the same crowd."""

from random import Random
from typing import NamedTuple

from loadtest.experiment import Traffic


class Persona(NamedTuple):
    """What one buyer is like: the account they buy with, None for one of their own, and how often they click at once."""

    account: str | None
    clicks: int


class Crowd:
    """The personas of a sale's `buyers`, drawn from `seed`. Who clicks twice and who is a scalper are drawn independently.

    Scalpers take turns over their accounts, in the order of their ordinals: the sizes of two accounts differ by one at most.
    """

    def __init__(self, traffic: Traffic, buyers: int, seed: int) -> None:
        self._buyers = buyers
        self._impatient = frozenset(_drawn(traffic.double_click, buyers, f"double_click {seed}"))
        scalpers = sorted(_drawn(traffic.scalpers, buyers, f"scalpers {seed}"))
        self._accounts = {ordinal: turn % traffic.scalper_accounts for turn, ordinal in enumerate(scalpers)}

    def persona(self, ordinal: int) -> Persona:
        """The persona of the buyer who is number `ordinal` of all, from 0. Buyers beyond the last start over."""
        ordinal %= self._buyers
        account = self._accounts.get(ordinal)
        return Persona(None if account is None else f"s-{account + 1:06d}", 2 if ordinal in self._impatient else 1)


def planned_buys(traffic: Traffic, buyers: int) -> int:
    """Buy requests that all `buyers` together are to send."""
    return buyers + _count(traffic.double_click, buyers)


def _drawn(share: float, buyers: int, seed: str) -> list[int]:
    """Ordinals of `share` of the buyers, none twice."""
    return Random(seed).sample(range(buyers), _count(share, buyers))  # noqa: S311 (to be repeated, not to be secret)


def _count(share: float, buyers: int) -> int:
    return round(share * buyers)
