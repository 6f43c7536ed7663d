"""Whether all buyers can come: enough users for them, and time to log in."""

from collections.abc import Sequence
from pathlib import Path

from loadtest.errors import UsageError
from loadtest.experiment.arrivals import connections
from loadtest.experiment.schema import Experiment
from loadtest.experiment.times import NS
from loadtest.manifest.accounts import Buyers
from loadtest.manifest.shop import Shop
from loadtest.talk.roster import read_roster


def beside(shop_file: Path, buyers: Buyers) -> Path | None:
    """The file of users that a manifest at `shop_file` names, if it does."""
    return shop_file.parent / buyers.file if buyers.file is not None else None


def check_buyers(
    experiment: Experiment, shop: Shop, shop_file: Path, offsets_ns: Sequence[int], processes: int
) -> None:
    """Look at who the buyers are, and whether they are ready when they are due.

    Raises:
        UsageError: the file of users is wrong or has too few; buyers of open arrivals come faster than they may begin their steps before the
            purchase; or they are to reload a page that the manifest does not have.
    """
    read_roster(shop.buyers, beside(shop_file, shop.buyers), experiment, processes)
    if experiment.traffic.presale_s and shop.http.warm is None:
        raise UsageError(
            f"traffic.presale_s = {experiment.traffic.presale_s:g}: there is no page to look at; set warm in [http] of {shop_file.name}, or "
            "traffic.presale_s=0"
        )
    if experiment.arrivals.open and shop.http.steps_s(1):
        _check_pace(experiment, shop.http.pace_per_s, offsets_ns)


def _check_pace(experiment: Experiment, pace_per_s: float, offsets_ns: Sequence[int]) -> None:
    """Of open arrivals, as many as there are connections log in before T0. The others do so one after the other from then on, each as
    soon as a connection is free."""
    first = connections(experiment, offsets_ns)
    needed_per_s = max((turn * NS / max(1, at_ns) for turn, at_ns in enumerate(offsets_ns[first:])), default=0)
    if needed_per_s > pace_per_s:
        raise UsageError(
            f"http.pace_per_s = {pace_per_s:g}: after T0 buyers come who must begin to log in {needed_per_s:,.0f} times a second; raise the pace "
            f"above that, or arrivals.connections (now {first:,}), so that more do so before"
        )
