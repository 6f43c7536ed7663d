"""Every shipped scenario, small, on one warm stack: what its buyers did, and the verdict."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest

from loadtest.campaign.cells import WarmStack, warm_stack
from loadtest.experiment.arrivals import offsets_ns
from loadtest.experiment.files import ROOT, lay_over, load_experiment, shipped
from loadtest.judge.verdict import Verdict
from loadtest.sale.beforehand.plan import plan
from loadtest.stack.external import Given

# Rows are written in the request: what the queue makes of it is the business of other tests.
SMALL = {"stock": 40, "dispatch": "inline", "arrivals.poll_s": 0.2, "drain.settle_s": 0.05, "drain.deadline_s": 20}


@dataclass(frozen=True)
class Held:
    """A sale that was held."""

    verdict: Verdict
    path: Path
    offsets_s: list[float]

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """A query over `ops` (with `at_s`, its scheduled time after T0), `asks` among them, and `t0`."""
        history = f"""
            WITH t0 AS (SELECT t0_ns FROM '{self.path}/sale.parquet'),
            ops AS (SELECT *, (scheduled_ns - t0_ns) / 1e9 AS at_s FROM '{self.path}/history.parquet', t0),
            asks AS (FROM ops WHERE kind IN ('buy', 'retry'))"""
        return duckdb.sql(f"{history} {sql}").fetchall()

    def figure(self, sql: str) -> Any:
        """The one value of a query."""
        return self.rows(sql)[0][0]


Hold = Callable[..., Held]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarmStack]:
    with warm_stack(Given(), tmp_path_factory.mktemp("stack"), ["pytest"]) as warm:
        yield warm


@pytest.fixture
def hold(stack: WarmStack, tmp_path: Path) -> Hold:
    """Holds the sale of a shipped experiment, smaller, and expects it to be VALID."""

    def held(name: str, **changes: Any) -> Held:
        shipped_one = load_experiment(name).model_copy(update={"matrix": {}})
        experiment = lay_over(shipped_one, SMALL | {key.replace("__", "."): v for key, v in changes.items()}, "test")
        verdict = stack.run(plan(experiment, Given()), tmp_path / name)
        assert verdict.verdict == "VALID", (
            verdict.sentence,
            verdict.doubts,
            [c for c in verdict.checks if c.witnesses],
        )
        assert verdict.counts.sold == 40
        offsets = offsets_ns(experiment.arrivals, experiment.buyers, experiment.seed)
        return Held(verdict, tmp_path / name, [offset / 1e9 for offset in offsets])

    return held


def test_every_scenario_has_an_experiment_that_can_be_sold_out() -> None:
    for name in shipped():
        experiment = load_experiment(name)
        assert experiment.buyers >= 2 * experiment.stock, name
        plan(experiment.model_copy(update={"matrix": {}}), Given())
    files = {path.stem for path in (ROOT / "scenarios").glob("*.py")} - {"__init__"}
    assert files == {Path(load_experiment(name).scenario).stem for name in shipped()}


def test_presale(hold: Hold) -> None:
    sale = hold("presale", buyers=100, traffic__presale_s=0.6, traffic__refresh_s=0.15, traffic__refreshers=0.5)
    looks = sale.rows("SELECT buyer, count(*), max(at_s) FROM ops WHERE kind = 'page' GROUP BY buyer")
    # The page that opens the connection, and for half of them a look every 0.15 s for more than 0.6 s.
    assert sorted(n == 1 for _, n, _ in looks) == [False] * 50 + [True] * 50
    assert all(2 <= n - 1 <= 40 for _, n, _ in looks if n > 1)
    assert max(last for _, _, last in looks) < 0.1, "but for those that were due at the very moment"
    assert sale.figure("SELECT count(*) FROM asks WHERE at_s = 0") == 100


def test_scalpers(hold: Hold) -> None:
    sale = hold("scalpers", buyers=100)
    share, accounts, most = sale.rows("""
        SELECT count(*) FILTER (WHERE buyer LIKE 's-%') / count(*), count(DISTINCT buyer) FILTER (WHERE buyer LIKE 's-%'),
            (SELECT max(n) FROM (SELECT count(*) AS n FROM asks WHERE outcome = 'won' GROUP BY buyer)) FROM asks""")[0]
    assert (accounts, most) == (10, 1)
    assert 0.3 <= share == 60 / 140 <= 0.5


def test_double_click(hold: Hold) -> None:
    sale = hold("double_click", buyers=100)
    assert sale.rows(
        "SELECT n, count(*) FROM (SELECT count(*) AS n FROM asks GROUP BY buyer) GROUP BY n ORDER BY n"
    ) == [
        (1, 90),
        (2, 10),
    ]


def test_retry_storm(hold: Hold) -> None:
    # Not all of so many can be answered in so short a time.
    sale = hold("retry_storm", buyers=400, arrivals__timeout_s=0.02, traffic__backoff_s=0.1, traffic__jitter=1.0)
    sent = "SELECT count(*) FROM asks WHERE kind = 'retry' AND NOT (outcome = 'refused' AND http_status IS NULL)"
    assert sale.verdict.load.retries == sale.figure(sent) > 0
    # A retry follows, after a wait, on a try of the same buyer that had no answer, or not even a connection.
    assert (
        sale.figure("""
        SELECT count(*) FROM asks r WHERE kind = 'retry' AND NOT EXISTS (
            FROM asks f WHERE f.buyer = r.buyer AND f.outcome IN ('unknown', 'refused') AND f.end_ns <= r.scheduled_ns)""")
        == 0
    )
    assert sale.figure("SELECT count(*) FROM asks WHERE kind = 'buy'") == 400
    # Who has a number already is told the same one.
    assert sale.figure("SELECT max(n) FROM (SELECT count(DISTINCT number) AS n FROM asks GROUP BY buyer)") == 1


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("ramp", {"arrivals__steps": [[60, 0.5], [180, 0.5]], "buyers": 120}),
        ("soak", {"arrivals__rate_per_s": 100, "arrivals__for_s": 1, "buyers": 100}),
        ("long_tail", {"arrivals__steps": [[400, 0.2], [40, 1]], "buyers": 120}),
    ],
)
def test_open_arrivals_keep_to_their_plan(hold: Hold, name: str, changes: dict[str, Any]) -> None:
    sale = hold(name, **changes)
    due = sale.rows("SELECT scheduled_ns - t0_ns FROM asks ORDER BY scheduled_ns")
    assert [at_ns for (at_ns,) in due] == [round(at_s * 1e9) for at_s in sale.offsets_s]
    assert sale.figure("SELECT min(start_ns - scheduled_ns) FROM asks") >= 0
    assert sale.verdict.load.dropped == 0
    assert sale.verdict.load.on_time is not None
    if name == "long_tail":
        assert sale.figure("SELECT count(*) FROM asks WHERE at_s > 0.5 AND outcome = 'sold_out'") >= 20


def test_shaped(hold: Hold) -> None:
    sale = hold("shaped", buyers=120, arrivals__steps=[[40, 1], [80, 1]])
    first, last = sale.rows("SELECT min(at_s), max(at_s) FROM asks")[0]
    assert 0 <= first < 0.5
    assert max(0.5, first) < last < 15
    assert sale.figure("SELECT count(DISTINCT buyer) FROM asks") == 120


def test_mixed(hold: Hold) -> None:
    sale = hold("mixed", buyers=100, traffic__presale_s=0.5, traffic__refresh_s=0.2)
    kinds = dict(sale.rows("SELECT kind, count(*) FROM ops GROUP BY kind"))
    assert kinds["page"] > 140
    # One in ten clicks twice, fifteen scalpers ask three times each.
    assert kinds["buy"] == 100 + 10 + 2 * 15
