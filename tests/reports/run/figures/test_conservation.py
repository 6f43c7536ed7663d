"""Where units went, on ledgers small enough to count."""

from collections.abc import Callable
from pathlib import Path

import pytest

from reports.data import Missing, open_run
from reports.run.figures.conservation import conservation

MakeRun = Callable[..., Path]


@pytest.mark.parametrize(
    ("sale", "ways"),
    [
        ("valid", [("seeded", "promised", "stored", 200)]),
        (
            "oversold",
            [("not seeded", "taken, not promised", "stored", 26), ("seeded", "promised", "stored", 200)],
        ),
        (
            "leaky",
            [
                ("seeded", "promised", "lost", 3),
                ("seeded", "promised", "stored", 195),
                ("seeded", "taken, not promised", "leaked", 2),
            ],
        ),
    ],
)
def test_every_unit_takes_one_way(make_run: MakeRun, sale: str, ways: list[tuple[object, ...]]) -> None:
    with open_run(make_run(sale)) as run:
        assert sorted(conservation(run).table.rows) == ways


def test_the_caption_counts_what_was_seeded_apart_from_what_was_not(make_run: MakeRun) -> None:
    with open_run(make_run("oversold")) as run:
        caption = conservation(run).caption
    assert caption.startswith("Of 200 seeded units: 200 stored, 0 queued, 0 left, 0 lost, 0 leaked. 26 more")


def test_an_unread_queue_is_owned_up_to(make_run: MakeRun) -> None:
    run_dir = make_run("valid")
    (run_dir / "final/queue.parquet").unlink()
    with open_run(run_dir) as run:
        assert "unsure: final/queue.parquet is not there" in conservation(run).caption


def test_without_the_rows_there_is_no_flow(make_run: MakeRun) -> None:
    run_dir = make_run("valid")
    (run_dir / "final/orders.parquet").unlink()
    with open_run(run_dir) as run, pytest.raises(Missing, match=r"final/orders\.parquet"):
        conservation(run)
