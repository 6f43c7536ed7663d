"""The verdict as the terminal shows it: one box, readable in five seconds."""

from pathlib import Path

from rich.console import Console, Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from loadtest.judge.checks import Finding
from loadtest.judge.figures.offered import ON_TIME_MS, Load
from loadtest.judge.thresholds import ThresholdResult
from loadtest.judge.verdict import Verdict

STYLE = {"VALID": ("green", "✓"), "INVALID": ("red", "✗"), "UNKNOWN": ("yellow", "?")}
WITNESSES = 3
CERTIFIED = {True: "certified as they are", False: "not certified here: loadtest certify shows that they can fail"}


def show_verdict(console: Console, verdict: Verdict, run_dir: Path) -> None:
    """Print the verdict, what it rests on, and where the report is."""
    colour, icon = STYLE[verdict.verdict]
    body: list[Text | Table] = [Text(verdict.sentence), Text()]
    body += [
        Text(f"MUTANT  {mutant}: this shop is wrong on purpose", style="bold magenta") for mutant in verdict.mutants
    ]
    body += [_failure(check) for check in verdict.checks if check.verdict == "INVALID"]
    body += [_disbelieved(check) for check in verdict.checks if check.not_believed]
    body += [_breach(threshold) for threshold in verdict.thresholds if not threshold.passed]
    body += [
        Text.assemble(("doubt   ", "yellow"), doubt.text, ("  → " + doubt.remedy, "dim")) for doubt in verdict.doubts
    ]
    body += [Text(f"–  {lack.line}  → {lack.add}", style="dim") for lack in verdict.scope.lacks]
    body.append(_figures(verdict))
    body.append(Text("checks  " + CERTIFIED[verdict.certified], style="dim"))
    body.append(Text(_report(run_dir), style="dim"))
    console.print(
        Panel(
            Group(*body),
            title=Text(f"{icon} {verdict.verdict}", style="bold"),
            border_style=colour,
            title_align="left",
        )
    )


def show_incomplete(console: Console, run_dir: Path) -> None:
    """Say that a run has no verdict."""
    text = f"This run was not judged: it was cut short, or is still going on.\n{_report(run_dir)}"
    console.print(
        Panel(Text(text), title=Text("? INCOMPLETE", style="bold"), border_style="yellow", title_align="left")
    )


def _report(run_dir: Path) -> str:
    page = run_dir / "report.html"
    return f"report  {_shown(page)}" if page.is_file() else f"report  not drawn: loadtest report {_shown(run_dir)}"


def _figures(verdict: Verdict) -> Table:
    """Short lines of figures, aligned."""
    rate, load, latency = verdict.rate, verdict.load, verdict.latency_ms.get("won")
    table = Table.grid(padding=(0, 2))
    table.add_row(
        Text("database", style="dim"),
        f"steady {_number(rate.steady_per_s, '/s')} of {_number(rate.configured_per_s, '/s')} configured · "
        f"busiest second {_number(rate.max_1s)} · drained in {_number(verdict.drain_s, ' s')}",
    )
    shaving = verdict.shaving
    table.add_row(
        Text("peak", style="dim"),
        f"{_number(shaving.requests_max_per_s)} requests/s became {_number(shaving.commits_max_per_s)} commits/s: "
        f"shaved to 1 in {_number(shaving.factor)} · lock waits up to {_number(shaving.lock_waits_max)}",
    )
    table.add_row(
        Text("buyers", style="dim"),
        f"offered {_number(load.offered_per_s, '/s')} · {_fired(load)}"
        + (
            f" (clocks agree within {_number(load.clocks_within_ms, ' ms')})"
            if load.clocks_within_ms is not None
            else ""
        )
        + (
            f" · answer to a winner p50 {_number(latency['p50'], ' ms')}, p99 {_number(latency['p99'], ' ms')}"
            if latency
            else ""
        ),
    )
    return table


def _fired(load: Load) -> str:
    """How the generator kept to its plan: a herd in how long, open arrivals how many on time, and others how late."""
    retries = f" · {load.retries:,} retries" if load.retries else ""
    if load.fire_spread_ms is not None:
        return f"fired within {_number(load.fire_spread_ms, ' ms')}{retries}"
    if load.on_time is None:
        # Who begins when Locust spawns them is late by microseconds; "0.0 ms" would read as if nothing was measured.
        late_ms = None if load.schedule_lag_p99_ms is None else max(0.1, load.schedule_lag_p99_ms)
        return f"99 % within {_number(late_ms, ' ms')} of their time{retries}"
    dropped = f" · {load.dropped:,} dropped" if load.dropped else ""
    return f"{_number(load.on_time * 100, ' %')} within {ON_TIME_MS} ms of their time{dropped}{retries}"


def _failure(check: Finding) -> Text:
    lines = Text.assemble(
        (f"✗ {check.name}  ", "bold red"), f"{check.sentence}: observed {check.observed}, bound {check.bound}"
    )
    for witness in check.witnesses[:WITNESSES]:
        lines.append(f"\n    {witness}", style="dim")
    more = len(check.witnesses) - WITNESSES
    if more > 0:
        lines.append(f"\n    … {more} more in the report", style="dim")
    return lines


def _disbelieved(check: Finding) -> Text:
    said = f"{check.name}  observed {check.observed}, bound {check.bound}; not believed, as {check.not_believed}"
    return Text.assemble(("? ", "yellow"), said)


def _breach(threshold: ThresholdResult) -> Text:
    return Text.assemble(
        ("✗ threshold  ", "bold red"), f"{threshold.expression}: observed {_number(threshold.observed)}"
    )


def _number(value: float | None, unit: str = "") -> str:
    if value is None:
        return "–"
    return f"{value:,.1f}{unit}" if abs(value) < 100 and value != int(value) else f"{value:,.0f}{unit}"


def _shown(path: Path) -> str:
    """The path from here, where that is shorter."""
    try:
        return str(path.relative_to(Path.cwd()))
    except (ValueError, OSError):  # it is not below the current folder, or that is gone
        return str(path)
