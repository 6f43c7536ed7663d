"""The arrival plan: when each buyer is due, counted from T0. Arithmetic only; the same seed makes the same plan."""

from collections.abc import Sequence

from loadtest.experiment import Arrivals


def offsets_ns(arrivals: Arrivals, buyers: int, seed: int) -> Sequence[int]:
    """Nanoseconds from T0 at which each of `buyers` is due, in the order of their numbers.

    `herd`: everybody at T0, whatever the `seed`.
    """
    del seed  # a herd has nothing to draw
    if arrivals.kind == "herd":
        return [0] * buyers
    raise AssertionError(arrivals.kind)
