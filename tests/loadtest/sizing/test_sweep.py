"""The sweep: what becomes its matrix, and what is predicted of its cells."""

import json
import shutil
from pathlib import Path

import pytest

from loadtest.campaign.matrix import Result, plan_cells
from loadtest.errors import UsageError
from loadtest.experiment.files import load_experiment
from loadtest.experiment.schema import Experiment
from loadtest.sizing.sweep import swept, write_predictions
from loadtest.stack.external import Given


def test_the_shipped_sweep_is_a_matrix_of_rates_and_workers(tmp_path: Path) -> None:
    cells = list(plan_cells(swept(load_experiment("sweep"), None, None, None), Given(), tmp_path, repeat=1))
    assert len(cells) == 6
    assert not [cell.skipped for cell in cells if cell.skipped]


def test_rates_workers_and_limiter_can_be_given(tmp_path: Path) -> None:
    experiment = swept(load_experiment("sweep"), "25,62.5,100", "1,4", "shared")
    assert experiment.matrix == {"limiter.rate_per_s": [25, 62.5, 100], "workers.count": [1, 4]}
    assert experiment.limiter.kind == "shared"
    allowed = [
        cell.planned.experiment.configured_per_s
        for cell in plan_cells(experiment, Given(), tmp_path, 1)
        if cell.planned
    ]
    assert allowed == [25, 25, 62.5, 62.5, 100, 100]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("fast", None, None), "--rates 'fast': expected numbers above 0"),
        (("50,-1", None, None), "--rates '50,-1'"),
        (("nan", None, None), "--rates 'nan'"),
        (("50", "1.5", None), "--workers '1.5': expected whole numbers"),
        (("50", "1,65", None), "workers.count = 65"),
        (("50", None, "native"), "--limiter 'native': expected flat or shared"),
        ((None, "1,2", None), "no rates; give --rates"),
    ],
)
def test_what_makes_no_sweep_is_one_line(given, said: str) -> None:
    with pytest.raises(UsageError, match=said.replace("(", r"\(")):
        swept(Experiment(), *given)


def result(run_dir: str | None, verdict: str | None = "VALID") -> Result:
    return Result({}, 1, run_dir, "valid", verdict=verdict)


def test_every_cell_is_predicted_by_the_first_valid_one_alone(sale, written, tmp_path: Path) -> None:
    (tmp_path / "cells").mkdir()
    first = written(sale, tmp_path / "cells")
    second = Path(shutil.copytree(first, tmp_path / "cells" / "second"))
    (second / "experiment.toml").write_text("stock = 400\n[limiter]\nrate_per_s = 25\n", encoding="utf-8")
    (second / "final" / "orders.parquet").unlink()  # nothing of a sale that is predicted is looked at
    results = [result("cells/second", "UNKNOWN"), result("cells/run"), result(None, None), result("cells/third", None)]
    path = write_predictions(tmp_path, results)
    assert path is not None
    found = json.loads(path.read_text(encoding="utf-8"))
    assert found["calibrated_on"] == "cells/run"
    cells = {cell["run_dir"]: cell for cell in found["cells"]}
    assert list(cells) == ["cells/second", "cells/run"]
    assert cells["cells/run"]["drain_s"] == pytest.approx(0.2 + 199 / 50, rel=0.02)
    assert cells["cells/second"]["drain_s"] == pytest.approx(0.2 + 399 / 25, rel=0.02)
    assert cells["cells/second"]["max_1s"] == pytest.approx(25, rel=0.02)


def test_where_no_cell_is_valid_nothing_is_predicted(tmp_path: Path) -> None:
    assert write_predictions(tmp_path, [result("cells/a", "INVALID"), result(None, None)]) is None
    assert not list(tmp_path.iterdir())
