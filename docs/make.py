"""``make docs``: runs the experiments that the pages tell of, and writes what they measured into the pages.

A page says where a table goes: what stands between ``<!-- table: shaving: steady rate, drain -->`` and ``<!-- end -->`` is replaced by
a row for each cell of that experiment, with the measures that are named (those of ``reports/deltas.py``). Pictures are the comparison's
own, copied to ``docs/figures/<experiment>-<panel>.svg``. No figure in these pages is typed by hand.

    python docs/make.py                                  # runs every experiment that a page names
    python docs/make.py shaving=runs/shaving/<stamp>     # takes a matrix that ran, and leaves the other experiments' tables as they are
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from reports.cells import Cell, read_matrix
from reports.compare import compare_matrix
from reports.deltas import MEASURES, Measure, spread
from reports.grid import square
from reports.verdict import number_text

HERE = Path(__file__).parent
RUNS = HERE.parent / "runs" / "docs"
TABLE = re.compile(r"(<!-- table: ([\w-]+): ([^>]*?) -->\n).*?(<!-- end -->)", re.DOTALL)
REPEATS = {"oversell": 3}  # how often each cell runs; once where nothing is said


def main(given: Sequence[str]) -> None:
    """Fill every page."""
    pages = {path: path.read_text(encoding="utf-8") for path in sorted(HERE.glob("*.md"))}
    named = dict.fromkeys(experiment for text in pages.values() for _, experiment, _, _ in TABLE.findall(text))
    matrices = {name: Path(path) for name, _, path in (each.partition("=") for each in given)}
    unknown = [name for name in matrices if name not in named]
    if unknown:
        sys.exit(f"no page has a table of {unknown[0]!r}; those that have one: {', '.join(named)}")
    for experiment in named if not matrices else ():
        matrices[experiment] = run(experiment)
    for experiment, matrix in matrices.items():
        copy_figures(experiment, matrix)
    for path, text in pages.items():
        path.write_text(TABLE.sub(lambda found: filled(found, matrices), text), encoding="utf-8")


def run(experiment: str) -> Path:
    """Run it, and give the directory of its matrix. What came out otherwise than expected is for the reader of the page to see."""
    command = [sys.executable, "-m", "loadtest", "run", experiment, "--out", str(RUNS)]
    done = subprocess.run([*command, "--repeat", str(REPEATS.get(experiment, 1))], check=False)
    if done.returncode not in (0, 1):
        sys.exit(f"{experiment}: the run ended with {done.returncode}")
    return max((RUNS / experiment).iterdir())


def copy_figures(experiment: str, matrix: Path) -> None:
    """The panels of its comparison."""
    compare_matrix(matrix)
    (HERE / "figures").mkdir(exist_ok=True)
    for figure in (matrix / "figures").glob("compare-*.svg"):
        shutil.copyfile(figure, HERE / "figures" / f"{experiment}-{figure.name.removeprefix('compare-')}")


def filled(found: re.Match[str], matrices: dict[str, Path]) -> str:
    """A table, made anew where its experiment was run."""
    head, experiment, names, end = found.groups()
    if experiment not in matrices:
        return found[0]
    measures = [measure(name.strip()) for name in names.split(",")]
    cells = [cell for cell in read_matrix(matrices[experiment]).cells if cell.trials]
    return head + "\n".join(table(cells, measures)) + "\n" + end


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
