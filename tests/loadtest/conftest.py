"""Histories, written as sentences: ``history().buys("b-1", won="s-1").row("s-1", "b-1")``, and what the harness makes of them."""

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Self

import pytest

from loadtest.judge.checks import CHECKS, Result, find
from loadtest.judge.declared import FORMERLY
from loadtest.judge.tables import COLUMNS, FILES, OPTIONAL, Tables, open_tables
from loadtest.judge.verdict import Verdict, judge
from loadtest.record.database import database, from_lines, quoted
from loadtest.record.generators import Generator, write_generators
from loadtest.record.history import load_history
from loadtest.record.samples import load_samples

# What the manifest of a shop declares that makes its own ids, has no queue and keeps no claims.
COUNTED = ("rows", "rows.number", "rows.buyer", "rows.created_at", "left", "status", "won", "number")
T0_NS = 1_900_000_000_000_000_000


class History:
    """A sale, told step by step; `write` makes a complete run directory of it. Times are seconds after T0."""

    def __init__(self, stock: int = 2, **sale: Any) -> None:
        self.ops: list[dict[str, Any]] = []
        self.tables: dict[str, list[dict[str, Any]]] = {
            name: [] for name in FILES if name not in ("ops", "sale", "samples")
        }
        self.samples: list[dict[str, Any]] = []
        self.faults: list[dict[str, Any]] = []
        self.asked_for: list[tuple[str, str]] = []
        self.timeout_s: float | None = None
        self.deaths: list[dict[str, Any]] = []
        self.generators: list[Generator] = []
        self.changes: list[dict[str, Any]] = []
        self.thresholds: list[str] = []
        self.plan: list[float] = []
        self.absent: set[str] = set()
        self.scope: dict[str, Any] | None = None
        self.answers: list[dict[str, Any]] = []
        self.manifest = ""
        self.sale = {
            "sale": "s", "scheme": "tokens", "dispatch": "queued", "limiter_kind": "none", "stock": stock, "buyers": 0,
            "per_buyer": 1, "configured_per_s": None, "workers": 1, "burst": 2, "t0_ns": T0_NS, "drained": True,
            "drained_ns": T0_NS + 10**10, "deadline_s": 60.0, "near_misses": 0, "planned": 0,
        } | sale  # fmt: skip
        for n in range(1, stock + 1):
            self.seeded(f"s-{n}")

    def buys(
        self, buyer: str, outcome: str | None = None, *, won: str | None = None, again: str | None = None, at: float = 0.0,
        took: float | None = 0.01, late: float = 0.0, error: str | None = None, kind: str = "buy", number: str | None = None,
        generator: str = "g1", http: int | None = 200,
    ) -> Self:  # fmt: skip
        """An order: won a number, told `again` that it has one, or any `outcome` (sold_out). Never answered if `took` is None.

        `http` is the status of the answer; None: no answer came.
        """
        told = outcome or ("won" if won else "already_bought" if again else "sold_out")
        start_ns = _ns(at + late)
        while any((op["b"], op["k"], op["t"]) == (buyer, kind, start_ns) for op in self.ops):
            start_ns += 1  # nobody sends twice in one nanosecond
        self.ops.append({
            "b": buyer, "k": kind, "s": _ns(at), "t": start_ns, "e": None if took is None else _ns(at + late + took),
            "o": told, "n": won or again or number, "x": error, "generator": generator, "h": http,
        })  # fmt: skip
        return self

    def never_leaves(self, buyer: str, at: float = 0.0, kind: str = "buy") -> Self:
        """An order that no connection could be opened for."""
        return self.buys(buyer, "refused", error="connect: connection refused", http=None, at=at, kind=kind)

    def asks_status(self, buyer: str, number: str | None, outcome: str, at: float = 1.0) -> Self:
        """A look at an order's state. `number` is None in a run that did not record it."""
        return self.buys(buyer, outcome, number=number, kind="status", at=at)

    def row(self, number: str | None, buyer: str | None, at: float | None = 0.1, **more: Any) -> Self:
        """A row in the database; `more`: quantity, item."""
        return self._add("orders", number=number, buyer=buyer, created_ns=None if at is None else _ns(at), **more)

    def steps(self, buyer: str, error: str | None = None, at: float = -1.0, http: int | None = 200) -> Self:
        """A step before the purchase, such as a log-in; it failed where there is an error."""
        return self.buys(buyer, "unknown" if error else "ok", kind="before", error=error, at=at, http=http)

    def answered(self, status: int, outcome: str, body: str, n: int = 1, **more: Any) -> Self:
        """A kind of answer, with its first body."""
        line = {"kind": "buy", "request": "POST /buy", "status": status, "outcome": outcome, "rule": None, "body": body}
        self.answers.append(line | {"n": n} | more)
        return self

    def says(self, manifest: str) -> Self:
        """The manifest itself, as far as it matters."""
        self.manifest = manifest
        return self

    def declares(self, *names: str, units: str = "numbered", items: dict[str, int] | None = None) -> Self:
        """What the manifest says that there is."""
        self.scope = {"units": units, "items": items, "declared": list(names)}
        return self

    def declares_all_but(self, *names: str) -> Self:
        """A manifest with everything that there was before units could be counted, but for these."""
        return self.declares(*sorted(FORMERLY - set(names)))

    def counted(
        self, *more: str, but: tuple[str, ...] = (), items: dict[str, int] | None = None, left: int | None = 0
    ) -> Self:
        """A sale of counted units; `left` of them were unsold at the end."""
        self.tables["seeded"].clear()
        self.declares(*(name for name in (*COUNTED, *more) if name not in but), units="counted", items=items)
        return self.with_sale(left_units=left)

    def sells(self, buyer: str, number: str, at: float = 0.0) -> Self:
        """A win and its row."""
        return self.buys(buyer, won=number, at=at).row(number, buyer, at=at + 0.05)

    def seeded(self, number: str) -> Self:
        """A number for sale."""
        return self._add("seeded", number=number)

    def token(self, number: str) -> Self:
        """A number left for sale at the end."""
        return self._add("tokens", number=number)

    def claim(self, number: str, buyer: str) -> Self:
        """A claim that is still recorded at the end."""
        return self._add("claims", number=number, buyer=buyer)

    def rejects(self, number: str, buyer: str) -> Self:
        """A claim that the shop gave up, and said so."""
        return self._add("rejected", number=number, buyer=buyer)

    def queued(self, number: str | None, state: str = "ready") -> Self:
        """A message that still waits at the end."""
        return self._add("queue", number=number, state=state)

    def sample(self, probe: str, metric: str, value: float, at: float) -> Self:
        """One reading of a probe."""
        self.samples.append({"t": _ns(at), "p": probe, "m": metric, "v": value})
        return self

    def backlog(self, begins: float, ends: float, ready: int = 100) -> Self:
        """A queue that is never empty in between, read ten times a second."""
        self.queue_reads(begins, ends, ready, unacked=4)
        return self.sample("broker", "ready", 0, ends + 0.1).sample("broker", "unacked", 0, ends + 0.1)

    def queue_reads(self, begins: float, ends: float, ready: int = 0, unacked: int = 0, hz: float = 10) -> Self:
        """The depth of the queue, `hz` times a second."""
        for tick in range(round((ends - begins) * hz) + 1):
            at = begins + tick / hz
            self.sample("broker", "ready", ready, at).sample("broker", "unacked", unacked, at)
        return self

    def fault(self, name: str, observed: float | None, recovered: float | None = None, **others: float) -> Self:
        """A fault, with what was seen of it; `others`: intended, injected, healed. Healed when it had recovered."""
        times = {
            "intended": observed or 0.0,
            "observed": observed,
            "healed": recovered,
            "recovered": recovered,
        } | others
        self.faults.append({"fault": name} | {f"{k}_ns": None if v is None else _ns(v) for k, v in times.items()})
        return self

    def asks_for(self, kind: str, role: str) -> Self:
        """A fault of the experiment."""
        self.asked_for.append((kind, role))
        return self

    def times_out(self, after_s: float) -> Self:
        """How long buyers wait for an answer."""
        self.timeout_s = after_s
        return self

    def dies(self, name: str, code: int, at: float) -> Self:
        """A process of the shop that ended though nobody asked it to."""
        self.deaths.append({"t": _ns(at), "role": name.partition("-")[0], "name": name, "exit": code})
        return self

    def generator(
        self, process: int, planned: int = 0, *, whole: bool = True, ahead_s: float = 0, within_s: float = 0
    ) -> Self:
        """A process that buyers ran in; the times of its operations are by its own clock, which the master's is ahead of."""
        clock = round(ahead_s * 1e9), round(within_s * 1e9)
        self.generators.append(Generator(f"g{process}", process, planned, planned, whole, *clock))
        return self

    def limit(self, rate_per_s: float, at: float, answered: int = 1) -> Self:
        """A change of the limit while the sale runs."""
        change = {"time_ns": _ns(at), "rate_per_s": rate_per_s, "together_per_s": rate_per_s, "answered": answered}
        self.changes.append(change)
        return self

    def due(self, *times: float) -> Self:
        """The plan of open arrivals: seconds after T0, each with one order."""
        self.plan += times
        return self

    def undrained(self) -> Self:
        """The deadline came before the queue was empty."""
        return self.with_sale(drained=False, drained_ns=None)

    def with_sale(self, **facts: Any) -> Self:
        """Other facts of the sale."""
        self.sale |= facts
        return self

    def holds(self, *thresholds: str) -> Self:
        """Thresholds of the experiment."""
        self.thresholds += thresholds
        return self

    def without(self, *tables: str) -> Self:
        """Reads that failed."""
        self.absent |= set(tables)
        return self

    def write(self, run_dir: Path) -> Path:
        """The run directory, as a run leaves it before it is judged."""
        for part in ("history", "samples", "final"):
            (run_dir / part).mkdir(parents=True, exist_ok=True)
        faults = "".join(
            f'[[faults]]\nkind = "{kind}"\nrole = "{role}"\nat_s = 1\nheal_after_s = 1\n'
            for kind, role in self.asked_for
        )
        arrivals = f"[arrivals]\ntimeout_s = {self.timeout_s}\n" if self.timeout_s else ""
        (run_dir / "experiment.toml").write_text(
            f'name = "rush"\nthresholds = {json.dumps(self.thresholds)}\n{faults}{arrivals}', encoding="utf-8"
        )
        if "ops" not in self.absent:
            for generator in {"g1", *(op["generator"] for op in self.ops)}:
                _write_lines(run_dir / "history" / f"{generator}.jsonl", self._lines(generator))
        if self.scope is not None:
            (run_dir / "scope.json").write_text(json.dumps(self.scope), encoding="utf-8")
        if self.manifest:
            (run_dir / "shop.toml").write_text(self.manifest, encoding="utf-8")
        if self.answers:
            (run_dir / "answers").mkdir(exist_ok=True)
            _write_lines(run_dir / "answers" / "g1.jsonl", self.answers)
        if self.generators:
            write_generators(run_dir, self.generators)
        _write_lines(run_dir / "samples" / "sampler.jsonl", self.samples)
        self._write_where_any(run_dir)
        buyers = len({op["b"] for op in self.ops})
        asked = sum(op["k"] == "buy" for op in self.ops)
        sale = self.sale | {"buyers": self.sale["buyers"] or buyers, "planned": self.sale["planned"] or asked}
        with database() as db:
            for name, rows in (self.tables | {"sale": [sale]}).items():
                if name not in self.absent:
                    absent = {column for column in OPTIONAL.get(name, ()) if not any(column in row for row in rows)}
                    columns = [column.split() for column in COLUMNS[name].split(", ")]
                    kept = {column: kind for column, kind in columns if column not in absent}
                    _write_parquet(db, run_dir / FILES[name], kept, rows)
        return run_dir

    def _write_where_any(self, run_dir: Path) -> None:
        if self.plan:
            lines = [f"{at:.9f},1\n" for at in self.plan]
            (run_dir / "arrivals.csv").write_text("".join(["time_s,clicks\n", *lines]), encoding="utf-8")
        for name, lines_of in (("faults", self.faults), ("limits", self.changes), ("deaths", self.deaths)):
            if lines_of:
                _write_lines(run_dir / f"{name}.jsonl", lines_of)

    def _add(self, table: str, **row: Any) -> Self:
        self.tables[table].append(row)
        return self

    def _lines(self, generator: str) -> Iterable[dict[str, Any]]:
        for op in self.ops:
            if op["generator"] != generator:
                continue
            yield {key: op[key] for key in "bk"}
            if op["e"] is not None:
                answer = {"o": op["o"], "n": op["n"], "h": op["h"], "x": op["x"]}
                yield {key: op[key] for key in "bkste"} | {"a": answer}


def fair_sale(stock: int = 3, buyers: int = 6, **sale: Any) -> History:
    """A sale in which nothing went wrong: the first buyers won, in order; the others were told sold-out."""
    history = History(stock, **sale)
    for n in range(1, buyers + 1):
        if n <= stock:
            history.sells(f"b-{n}", f"s-{n}", at=n / 1000).claim(f"s-{n}", f"b-{n}")
        else:
            history.buys(f"b-{n}", at=n / 1000)
    return history


def _ns(at: float) -> int:
    return T0_NS + round(at * 1e9)


def _write_lines(path: Path, lines: Iterable[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def _write_parquet(db: Any, path: Path, columns: dict[str, str], rows: list[dict[str, Any]]) -> None:
    lines = path.with_suffix(".jsonl")
    _write_lines(lines, rows)
    db.execute(f"COPY (FROM {from_lines([lines], columns)}) TO {quoted(path)} (FORMAT parquet)")
    lines.unlink()


@pytest.fixture(scope="session")
def history() -> type[History]:
    """The builder, empty."""
    return History


@pytest.fixture(scope="session")
def fair() -> Callable[..., History]:
    """The builder, with a whole correct sale in it."""
    return fair_sale


@pytest.fixture(scope="session")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Callable[[History], AbstractContextManager[Tables]]:
    """The tables of a history."""

    @contextmanager
    def open_history(told: History) -> Iterator[Tables]:
        run_dir = told.write(tmp_path_factory.mktemp("run"))
        if "ops" not in told.absent:
            load_history(run_dir)
        load_samples(run_dir)
        with open_tables(run_dir) as tables:
            yield tables

    return open_history


@pytest.fixture(scope="session")
def found(opened: Callable[[History], AbstractContextManager[Tables]]) -> Callable[[str, History], Result]:
    """What one check finds in a history."""

    def ask(check: str, told: History) -> Result:
        with opened(told) as tables:
            return find(CHECKS[check], tables)

    return ask


@pytest.fixture(scope="session")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Callable[[History], Verdict]:
    """The verdict over a history."""
    return lambda told: judge(told.write(tmp_path_factory.mktemp("run")))
