"""Who the buyers are: who clicks twice, who shares a scalpers' account, who reloads the page. Arithmetic only; the same seed
makes the same crowd."""

from random import Random
from typing import NamedTuple

from loadtest.experiment.schema import Traffic


class Persona(NamedTuple):
    """What one buyer is like: `account` is the number of the shared one they buy with, from 0, None for one of their own; `clicks` are the orders
    they send at the same moment; `refreshes` says whether they reload the countdown page."""

    account: int | None
    clicks: int
    refreshes: bool = False


class Crowd:
    """The personas of a sale's `buyers`, drawn from `seed`. Traits are drawn independently: a scalper may also click twice.

    Scalpers take turns over their accounts, in the order of their ordinals: the sizes of two accounts differ by one at most.
    """

    def __init__(self, traffic: Traffic, buyers: int, seed: int) -> None:
        self._traffic, self._buyers, self._seed = traffic, buyers, seed
        self._impatient = frozenset(_drawn(traffic.double_click, buyers, f"double_click {seed}"))
        scalpers = sorted(_drawn(traffic.scalpers, buyers, f"scalpers {seed}"))
        self._accounts = {ordinal: turn % traffic.scalper_accounts for turn, ordinal in enumerate(scalpers)}
        share = traffic.refreshers if traffic.presale_s else 0
        self._refreshers = frozenset(_drawn(share, buyers, f"refreshers {seed}"))

    def persona(self, ordinal: int) -> Persona:
        """The persona of buyer number `ordinal`, from 0. Ordinals from `buyers` on wrap around."""
        ordinal %= self._buyers
        account = self._accounts.get(ordinal)
        clicks = 1 if account is None else self._traffic.scalper_clicks
        return Persona(
            account,
            clicks + (ordinal in self._impatient),
            ordinal in self._refreshers,
        )

    @property
    def clicks(self) -> int:
        """Orders that all buyers together will send, not counting retries."""
        scalpers = len(self._accounts)
        return self._buyers + len(self._impatient) + scalpers * (self._traffic.scalper_clicks - 1)

    @property
    def further_connections(self) -> int:
        """Connections that buyers have beside their first: one for each further click, and one for each refresher's page loads."""
        return self.clicks - self._buyers + len(self._refreshers)

    def backoff_s(self, ordinal: int, tries: int) -> float:
        """Seconds that a buyer waits after `tries` tries (1 or more) before the next. Without jitter all buyers wait equally long.

        With full jitter the wait is uniform between 0 and the backoff (Brooker, "Exponential Backoff And Jitter", 2015).
        """
        traffic = self._traffic
        longest = traffic.backoff_s * traffic.backoff_growth ** (tries - 1)
        drawn = Random(f"jitter {self._seed} {ordinal} {tries}").random() if traffic.jitter else 0.0  # noqa: S311 (as below)
        return longest * (1 - traffic.jitter * drawn)


def _drawn(share: float, buyers: int, seed: str) -> list[int]:
    """Ordinals of `share` of the buyers, none twice."""
    return Random(seed).sample(range(buyers), round(share * buyers))  # noqa: S311 (to be repeated, not to be secret)
