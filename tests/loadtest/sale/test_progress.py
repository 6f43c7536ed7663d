import io
from pathlib import Path

from rich.console import Console

from loadtest.sale.progress import Latest, Lines, figures


def sample(directory: Path, shard: str, probe: str, metric: str, value: float, at: int = 1, end: str = "\n") -> None:
    with (directory / f"{shard}.jsonl").open("a", encoding="utf-8") as file:
        file.write(f'{{"t":{at},"p":"{probe}","m":"{metric}","v":{value}}}{end}')


def test_the_newest_value_counts_and_a_half_written_line_waits(tmp_path: Path) -> None:
    latest = Latest(tmp_path)
    sample(tmp_path, "sampler", "redis", "tokens", 5)
    sample(tmp_path, "sampler", "redis", "tokens", 4, end="")
    latest.refresh()
    assert latest.value("redis.tokens") == 5
    with (tmp_path / "sampler.jsonl").open("a", encoding="utf-8") as file:
        file.write("\n")
    latest.refresh()
    assert latest.value("redis.tokens") == 4
    assert latest.value("redis.claims") is None


def test_generators_are_added_up_and_the_first_t0_counts(tmp_path: Path) -> None:
    latest = Latest(tmp_path)
    assert latest.t0_ns is None
    for shard, at in (("generator-g0", 20), ("generator-g1", 10)):
        sample(tmp_path, shard, "generator", "sent", 100)
        sample(tmp_path, shard, "gate", "t0", 1, at=at)
    latest.refresh()
    assert latest.value("generator.sent") == 200
    assert latest.t0_ns == 10


def test_lines_show_each_phase_and_its_last_figures(tmp_path: Path) -> None:
    out = io.StringIO()
    lines = Lines(Console(file=out, width=40))
    latest = Latest(tmp_path)
    sample(tmp_path, "sampler", "truth", "rows", 1234)
    latest.refresh()
    lines.phase("herd")
    lines.tick(latest)
    lines.phase("draining")
    text = out.getvalue()
    assert "s herd\n" in text
    assert "rows 1,234\n" in text
    assert figures(Latest(tmp_path / "none")) == ""
