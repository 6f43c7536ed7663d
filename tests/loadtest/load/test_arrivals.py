from hypothesis import given
from hypothesis import strategies as st

from loadtest.experiment import Arrivals
from loadtest.load.arrivals import offsets_ns

HERD = Arrivals(kind="herd")


@given(st.integers(0, 5_000), st.integers(0, 2**32))
def test_a_herd_is_due_at_t0_whole(buyers: int, seed: int) -> None:
    assert list(offsets_ns(HERD, buyers, seed)) == [0] * buyers
