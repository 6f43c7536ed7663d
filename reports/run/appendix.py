"""The last sections of a report: errors, unknown outcomes, configuration, versions, files."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from reports.data import RunData, defaults
from reports.verdict import plain

FILES = (
    "verdict.json",
    "junit.xml",
    "summary.md",
    "experiment.toml",
    "shop.toml",
    "environment.json",
    "faults.jsonl",
    "history.parquet",
    "samples.parquet",
    "sale.parquet",
    "processes.jsonl",
    "final",
    "figures",
    "locust/stats.csv",
    "locust/locust.html",
)
MOST = 20  # errors, unknown outcomes and log files that are listed


@dataclass(frozen=True)
class Setting:
    """A key of the experiment. `default` is None where it is not known; `changed` then is False."""

    key: str
    value: str
    default: str | None
    changed: bool


@dataclass(frozen=True)
class UnknownOp:
    """An order with an unknown outcome: when it was due (if known), the reason, and whether the final reads have a row of its buyer."""

    buyer: str
    scheduled_s: float | None
    error: str
    fate: str


def errors(run: RunData) -> list[tuple[str, str, int]]:
    """The most frequent errors: outcome, text, count."""
    found = run.rows(
        "SELECT outcome, coalesce(error, 'HTTP ' || http_status) AS text, count(*) AS n FROM ops "
        "WHERE error IS NOT NULL OR http_status >= 500 GROUP BY ALL ORDER BY n DESC, text LIMIT ?",
        MOST,
    )
    return [(plain(outcome), plain(text), count) for outcome, text, count in found]


def unknown_ops(run: RunData, t0_ns: int) -> tuple[int, list[UnknownOp]]:
    """How many orders have an unknown outcome, and the first `MOST` of them. `scheduled_s` counts from `t0_ns`."""
    ((count,),) = run.rows("SELECT count(*) FROM asks WHERE outcome = 'unknown'")
    found = run.rows(
        "SELECT buyer, (scheduled_ns - ?) / 1e9, coalesce(error, 'no reply was recorded'), "
        "(SELECT min(number) FROM orders WHERE orders.buyer = asks.buyer) FROM asks "
        "WHERE outcome = 'unknown' ORDER BY scheduled_ns, op_id LIMIT ?",
        t0_ns, MOST,
    )  # fmt: skip
    unread = "orders" in run.missing
    return count, [UnknownOp(plain(b), s, plain(e), _fate(number, unread)) for b, s, e, number in found]


def _fate(number: str | None, unread: bool) -> str:
    if unread:
        return "the rows were not read"
    return f"recovered: row {plain(number)}" if number is not None else "no row"


def settings(run: RunData) -> list[Setting]:
    """The experiment's keys, those that differ from their default first."""
    known = defaults(run)
    found = []
    for key, value in run.experiment.items():
        default = _shown(known[key]) if key in known else None
        found.append(Setting(key, _shown(value), default, default is not None and _shown(value) != default))
    return sorted(found, key=lambda setting: not setting.changed)


def _shown(value: object) -> str:
    return ", ".join(map(plain, value)) or "none" if isinstance(value, list) else plain(value)


def environment(run: RunData) -> Iterator[tuple[str, str]]:
    """What the run ran on, as name and value."""
    for key in ("started_at", "git_sha", "platform", "cpu_count", "cpu_model", "python", "services"):
        if run.environment.get(key) is not None:
            yield key.replace("_", " "), plain(run.environment[key])
    versions = run.environment.get("versions")
    if isinstance(versions, dict):
        yield from ((plain(name), plain(version)) for name, version in sorted(versions.items()))


def files(path: Path) -> list[str]:
    """The raw files that exist, relative to the run directory `path`."""
    logs = sorted(each.relative_to(path).as_posix() for each in (path / "logs").glob("*.log"))
    present = [name for name in FILES if (path / name).is_dir() or _size(path / name)]
    return present + logs[:MOST]


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
