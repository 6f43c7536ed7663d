"""``make docs``: runs the experiments that the pages tell of, and writes what they measured into the pages.

A page says where a table goes: what stands between ``<!-- table: shaving: steady rate, drain -->`` and ``<!-- end -->`` is replaced by
a row for each cell of that experiment, with the measures that are named (those of ``reports/comparison/deltas.py``). Pictures are the comparison's
own; those that a page shows are copied to ``docs/figures/<experiment>-<panel>.svg``. No figure in these pages is typed by hand. Where fewer
cells ran than a page shows, as without a RabbitMQ, it keeps what it has, and that is said.

    python docs/make.py                                  # runs every experiment that a page names
    python docs/make.py shaving=runs/shaving/<stamp>     # takes a matrix that ran, and leaves the other experiments' tables as they are
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from reports.comparison.cells import Cell, read_matrix
from reports.comparison.compare import compare_matrix
from reports.comparison.deltas import MEASURES, Measure, spread
from reports.comparison.grid import square
from reports.verdict import number_text

HERE = Path(__file__).parent
RUNS = HERE.parent / "runs" / "docs"
TABLE = re.compile(r"(<!-- table: ([\w-]+): ([^>]*?) -->\n)(.*?)(<!-- end -->)", re.DOTALL)
HEAD_LINES = 2  # of a table
REPEATS = {"oversell": 3}  # how often each cell runs; once where nothing is said
COMMANDS = {"sweep": "sweep"}  # what runs it, where it is not `loadtest run`


def main(given: Sequence[str]) -> None:
    """Fill every page."""
    pages = {path: path.read_text(encoding="utf-8") for path in sorted(HERE.glob("*.md"))}
    tables = [found for text in pages.values() for found in TABLE.finditer(text)]
    named = dict.fromkeys(found[2] for found in tables)
    matrices = {name: Path(path) for name, _, path in (each.partition("=") for each in given)}
    unknown = [name for name in matrices if name not in named]
    if unknown:
        sys.exit(f"no page has a table of {unknown[0]!r}; those that have one: {', '.join(named)}")
    for experiment in named if not matrices else ():
        matrices[experiment] = run(experiment)
    for found in tables:
        keep_whole(found, matrices)
    for experiment, matrix in matrices.items():
        copy_figures(experiment, matrix, "".join(pages.values()))
    for path, text in pages.items():
        path.write_text(TABLE.sub(lambda found: filled(found, matrices), text), encoding="utf-8")


def run(experiment: str) -> Path:
    """Run it, and give the directory of its matrix. What came out otherwise than expected is for the reader of the page to see."""
    command = [sys.executable, "-m", "loadtest", COMMANDS.get(experiment, "run"), experiment, "--out", str(RUNS)]
    done = subprocess.run([*command, "--repeat", str(REPEATS.get(experiment, 1))], check=False)
    if done.returncode not in (0, 1):
        sys.exit(f"{experiment}: the run ended with {done.returncode}")
    return max((RUNS / experiment).iterdir())


def keep_whole(found: re.Match[str], matrices: dict[str, Path]) -> None:
    """Takes away the matrix of a table that would lose rows by it."""
    _, experiment, _, shown, _ = found.groups()
    if experiment not in matrices:
        return
    ran, rows = len(cells_of(matrices[experiment])), len(shown.splitlines()) - HEAD_LINES
    if ran < rows:
        print(
            f"{experiment}: {ran} cells ran, the page has {rows}: it stays as it is. Run every cell, as the head of the experiment says how; "
            f"then: python docs/make.py {experiment}=DIR",
            file=sys.stderr,
        )
        del matrices[experiment]


def copy_figures(experiment: str, matrix: Path, text: str) -> None:
    """Those panels of its comparison that `text` shows."""
    compare_matrix(matrix)
    (HERE / "figures").mkdir(exist_ok=True)
    for figure in (matrix / "figures").glob("compare-*.svg"):
        name = f"{experiment}-{figure.name.removeprefix('compare-')}"
        if f"figures/{name}" in text:
            shutil.copyfile(figure, HERE / "figures" / name)


def filled(found: re.Match[str], matrices: dict[str, Path]) -> str:
    """A table, made anew where its experiment was run."""
    head, experiment, names, _, end = found.groups()
    if experiment not in matrices:
        return found[0]
    measures = [measure(name.strip()) for name in names.split(",")]
    return head + "\n".join(table(cells_of(matrices[experiment]), measures)) + "\n" + end


def cells_of(matrix: Path) -> list[Cell]:
    """Those that ran."""
    return [cell for cell in read_matrix(matrix).cells if cell.trials]


def measure(name: str) -> Measure:
    """The measure of that name."""
    for each in MEASURES:
        if each.name == name:
            return each
    sys.exit(f"no measure {name!r}; there are: {', '.join(each.name for each in MEASURES)}")


def table(cells: Sequence[Cell], measures: Sequence[Measure]) -> Iterator[str]:
    """Lines of Markdown."""
    yield (
        "| | verdict | "
        + " | ".join(f"{each.name}, {each.unit}" if each.unit else each.name for each in measures)
        + " |"
    )
    yield "|---|---|" + "---:|" * len(measures)
    for cell in cells:
        verdict = "; ".join(f"{line.icon} {line.text} {line.share}".strip() for line in square(cell).lines)
        yield f"| {cell.label} | {verdict} | " + " | ".join(shown(each, cell) for each in measures) + " |"


def shown(measure: Measure, cell: Cell) -> str:
    """The median of the repeats, with the least and the most of them."""
    found = spread(measure, cell)
    if found is None:
        return "–"
    low, high = min(found.values), max(found.values)
    return number_text(found.median) + (f" ({number_text(low)}–{number_text(high)})" if low != high else "")


if __name__ == "__main__":
    main(sys.argv[1:])
