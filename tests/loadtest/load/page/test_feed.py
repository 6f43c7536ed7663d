"""What the page is told of a run that goes on."""

import json
from pathlib import Path

from loadtest.load.page.feed import Feed, RunFeed


def write(run_dir: Path, shard: str, *samples: tuple[float, str, float]) -> None:
    (run_dir / "samples").mkdir(exist_ok=True)
    with (run_dir / "samples" / f"{shard}.jsonl").open("a", encoding="utf-8") as file:
        for at_ms, name, value in samples:
            probe, _, metric = name.partition(".")
            file.write(json.dumps({"t": int(at_ms * 1e6), "p": probe, "m": metric, "v": value}) + "\n")


def test_it_takes_what_it_draws_and_adds_up_the_generators(tmp_path: Path) -> None:
    write(tmp_path, "generator-g0", (1000, "generator.sent", 5))
    write(tmp_path, "generator-g1", (1000, "generator.sent", 7))
    write(tmp_path, "sampler", (1000, "truth.rows", 3), (1000, "redis.memory_bytes", 9))
    write(tmp_path, "gate", (2000, "gate.t0", 1))
    write(tmp_path, "run", (3000, "run.phase.draining", 1))
    feed = RunFeed(tmp_path)
    feed.refresh()
    assert feed.latest == {"generator.sent": 12, "truth.rows": 3}
    assert (feed.t0_ms, feed.phases) == (2000, {"draining": 3000})
    assert feed.points == [("generator.sent", 1000, 5), ("generator.sent", 1000, 12), ("truth.rows", 1000, 3)]
    write(tmp_path, "sampler", (1100, "truth.rows", 4))
    feed.refresh()
    assert feed.points[3:] == [("truth.rows", 1100, 4)]


def test_a_long_sale_is_no_heavier_than_a_short_one_and_its_newest_value_is_exact() -> None:
    feed = Feed()
    for tick in range(100_000):
        feed.note("truth.rows", tick * 100.0, tick)
    kept = [at for _, at, _ in feed.points]
    assert len(kept) < 15_000
    assert kept[:1000] == [tick * 100.0 for tick in range(1000)], "the first minutes are kept in full"
    assert feed.latest == {"truth.rows": 99_999}
