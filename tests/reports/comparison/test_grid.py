"""The word and the number that stand for a verdict in a square of the matrix."""

import pytest

from reports.comparison.grid import finding
from reports.verdict import Check, Verdict


@pytest.mark.parametrize(
    ("name", "observed", "counts", "expected"),
    [
        ("leaked", "3 leaked, 0 in two places, of 9 seeded", {"leaked": 3, "misplaced": 0}, (3, "leaked")),
        ("leaked", "0 leaked, 5 in two places, of 9 seeded", {"leaked": 0, "misplaced": 5}, (5, "in two places")),
        ("told_untrue", "7 of 90 polled orders", {}, (7, "told an untruth")),
        ("lockout", "66 of 66 buyers who were told already bought", {}, (66, "locked out")),
    ],
)
def test_what_failed_is_counted_in_its_own_word(
    name: str, observed: str, counts: dict[str, float], expected: tuple[float, str]
) -> None:
    check = Check(name, "", "INVALID", observed, "0", ())
    assert expected == finding(Verdict("INVALID", "", counts=counts, checks=(check,)))
