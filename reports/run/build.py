"""The report of one run: report.html, figures, junit.xml and summary.md, from the run directory alone."""

from dataclasses import dataclass, replace
from pathlib import Path

from reports.data import Missing, RunData, open_run
from reports.drawing.drawing import Drawing, draw
from reports.drawing.timeline import timeline
from reports.files import write_text
from reports.html import render
from reports.run import appendix
from reports.run.figures import FIGURES
from reports.run.junit import write_junit
from reports.run.summary import summary
from reports.verdict import Verdict, number_text, plain


@dataclass(frozen=True)
class BigNumber:
    """One of the five numbers under the banner. `bad`: it should be 0, and is not."""

    name: str
    value: str
    unit: str
    bad: bool = False


def build(run_dir: Path) -> Path:
    """Writes the report of the run in `run_dir` and returns the path of report.html.

    Raises:
        FileNotFoundError: `run_dir` is no directory. Whatever is missing within it, the report names instead.
    """
    with open_run(run_dir) as run:
        drawings = {name: draw(name, figure, run) for name, figure in FIGURES.items()}
        _write_figures(run_dir / "figures", drawings)
        write_junit(run.verdict, run_dir / "junit.xml")
        write_text(run_dir / "summary.md", summary(run.verdict))
        report = run_dir / "report.html"
        write_text(report, _page(run, drawings))
    return report


def _write_figures(folder: Path, drawings: dict[str, Drawing]) -> None:
    """Writes each figure as SVG and CSV; files of an earlier report are removed if the figure can no longer be drawn."""
    folder.mkdir(exist_ok=True)
    for name, drawing in drawings.items():
        for kind, text in (("svg", drawing.file), ("csv", drawing.csv)):
            path = folder / f"{name}.{kind}"
            if text:
                write_text(path, text)
            else:
                path.unlink(missing_ok=True)


def _page(run: RunData, drawings: dict[str, Drawing]) -> str:
    try:
        time = timeline(run)
    except Missing:
        time = None
    unknown_count, unknown = appendix.unknown_ops(run, time.t0_ns if time else 0)
    first, *charts = drawings.values()
    return render(
        "report.html",
        verdict=run.verdict,
        name=run.verdict.name or plain(run.experiment.get("name") or run.path.name),
        numbers=big_numbers(run.verdict),
        quiet=quiet_line(run),
        conservation=first,
        charts=charts,
        faults=[(fault, time) for fault in run.faults] if time else [],
        unknown_count=unknown_count,
        unknown=unknown,
        errors=appendix.errors(run),
        settings=appendix.settings(run),
        environment=list(appendix.environment(run)),
        command=plain(run.environment["command"]) if run.environment.get("command") else None,
        history_missing="ops" in run.missing,
        missing=sorted(set(run.missing.values())),
        files=appendix.files(run.path),
    )


def big_numbers(verdict: Verdict) -> list[BigNumber]:
    """Sold, oversold, lost, leaked (with what is in two places) and the drain; a dash where the verdict does not say."""
    counts = verdict.counts

    def count(name: str, unit: str) -> BigNumber:
        value = counts.get(name)
        return BigNumber(name, "–" if value is None else number_text(value), unit, bad=bool(value))

    sold = BigNumber("sold", "–", "units")
    if "sold" in counts:
        of = f"of {number_text(counts['stock'])} units" if "stock" in counts else "units"
        sold = BigNumber("sold", number_text(counts["sold"]), of)
    drain = "–" if verdict.drain_s is None else f"{verdict.drain_s:,.1f} s"
    leaked = count("leaked", "units unsold for ever")
    if counts.get("misplaced"):
        twice = f"{leaked.unit}; {number_text(counts['misplaced'])} more in two places"
        leaked = replace(leaked, unit=twice, bad=True)
    return [
        sold,
        count("oversold", "units too many"),
        count("lost", "promises broken"),
        leaked,
        BigNumber("drained in", drain, "from T0"),
    ]


def quiet_line(run: RunData) -> list[tuple[str, str]]:
    """How the sale was set up, as name and value; what is not known is left out."""
    known = dict(run.experiment)
    for column in ("scheme", "dispatch", "stock", "buyers"):
        known.setdefault(column, run.sale(column))
    limiter = known.get("limiter.kind") or run.sale("limiter_kind")
    if limiter not in (None, "none") and "limiter.rate_per_s" in known:
        workers = plain(known.get("workers.count", 1))
        of_whom = f"of {workers} together" if limiter == "shared" else f"× {workers}"
        limiter = f"{limiter}, {plain(known['limiter.rate_per_s'])}/s {of_whom}"
    line = [(key, known.get(key)) for key in ("scheme", "dispatch")]
    line += [("limiter", limiter), *((key, known.get(key)) for key in ("stock", "buyers", "seed"))]
    line += [("faults", ", ".join(fault.name for fault in run.faults) or "none")]
    commit = str(run.environment.get("git_sha") or "")
    line += [("commit", commit[:12] + "+" * commit.endswith("+") or None)]
    return [(key, plain(value)) for key, value in line if value is not None]
