"""The arrival plan: when each buyer is due, counted from T0. Arithmetic only; the same seed makes the same plan.

A run writes its plan to ``arrivals.csv`` before anything starts, in the format that `replay` reads, so that any run's arrivals
can be replayed in another.
"""

from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from random import Random

from loadtest.errors import UsageError
from loadtest.experiment.files import find_file
from loadtest.experiment.schema import Arrivals, Experiment, Step
from loadtest.experiment.times import NS, read_times
from loadtest.experiment.traffic import Crowd

PLAN = "arrivals.csv"
HEADER = "time_s"
# Locust raises its limit of open files to 10,000, and needs some of them for itself.
MOST_CONNECTIONS = 9_000


def offsets_ns(arrivals: Arrivals, buyers: int, seed: int) -> Sequence[int]:
    """Nanoseconds from T0 at which each of `buyers` is due, ascending, in the order of their ordinals.

    `herd` and `spawned`: 0 for everybody; a spawned buyer fires as soon as Locust has made it. `uniform`: evenly, the first at T0.
    `poisson`: with gaps drawn from the exponential distribution of mean 1 / `rate_per_s`. `stepped`: evenly within each step.

    Raises:
        UsageError: the file of a replay is missing or wrong, or holds another number of arrivals than `buyers`.
    """
    if arrivals.kind == "replay":
        return _replayed(arrivals.file or "", buyers)
    if arrivals.kind == "stepped":
        return _stepped(arrivals.steps)
    if not arrivals.open:
        return [0] * buyers
    assert arrivals.rate_per_s is not None
    if arrivals.kind == "uniform":
        return [round(turn / arrivals.rate_per_s * NS) for turn in range(buyers)]
    gap = Random(f"arrivals {seed}").expovariate  # noqa: S311 (to be repeated, not to be secret)
    return [round(at_s * NS) for at_s in accumulate(gap(arrivals.rate_per_s) for _ in range(buyers))]


def plan_arrivals(experiment: Experiment) -> Sequence[int]:
    """The offsets of an experiment's buyers, in nanoseconds, checked against its deadline.

    Raises:
        UsageError: see `offsets_ns`; or the last buyer would come after `drain.deadline_s`.
    """
    offsets = offsets_ns(experiment.arrivals, experiment.buyers, experiment.seed)
    last_s = offsets[-1] / NS
    if last_s >= experiment.drain.deadline_s:
        raise UsageError(
            f"drain.deadline_s = {experiment.drain.deadline_s:g}: the last buyer comes {last_s:,.1f} s after T0; "
            "raise it above that, with time to drain"
        )
    return offsets


def connections(experiment: Experiment, offsets: Sequence[int]) -> int:
    """How many users Locust runs: one for each buyer, or for open arrivals one for each connection kept ready.

    A buyer occupies a connection from its due time until its answer, a winner until its order is stored: by default there are
    enough for every unit of the stock, and for as many buyers as come in the busiest two seconds.
    """
    if not experiment.arrivals.open:
        return experiment.buyers
    chosen = experiment.arrivals.connections or min(MOST_CONNECTIONS, experiment.stock + busiest(offsets, 2 * NS))
    return min(chosen, experiment.buyers)


def busiest(offsets: Sequence[int], window_ns: int) -> int:
    """The most arrivals in any window of `window_ns`; `offsets` ascend."""
    first = most = 0
    for last, offset in enumerate(offsets):
        while offset - offsets[first] >= window_ns:
            first += 1
        most = max(most, last - first + 1)
    return most


def write_plan(path: Path, offsets: Sequence[int], crowd: Crowd) -> None:
    """Writes one line for each arrival: seconds after T0, to the nanosecond, and how many orders the buyer sends at that moment."""
    lines = (
        f"{offset // NS}.{offset % NS:09d},{crowd.persona(ordinal).clicks}\n" for ordinal, offset in enumerate(offsets)
    )
    with path.open("w", encoding="utf-8") as file:
        file.write(f"{HEADER},clicks\n")
        file.writelines(lines)


def _replayed(file: str, buyers: int) -> list[int]:
    try:
        path = find_file(file)
    except UsageError as error:
        raise UsageError(f"arrivals.file: {error}") from None
    times = read_times(path)
    if len(times) != buyers:
        raise UsageError(f"buyers = {buyers}: {file} has {len(times)} arrivals; set buyers to that")
    return times


def _stepped(steps: Sequence[Step]) -> list[int]:
    offsets: list[int] = []
    began_s = 0.0
    for rate_per_s, seconds in steps:
        offsets += [round((began_s + turn / rate_per_s) * NS) for turn in range(round(rate_per_s * seconds))]
        began_s += seconds
    return offsets
