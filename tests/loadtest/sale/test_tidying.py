import logging
import sys
from pathlib import Path

import pytest

from loadtest.experiment.schema import Experiment
from loadtest.manifest.loading import load_shop
from loadtest.manifest.shop import Shop
from loadtest.record.run_dir import RunDir, make_parts
from loadtest.sale.tidying import Tidying, scratch_of
from loadtest.stack.process import Supervisor
from loadtest.stack.shop_stack import on_free_port


def tidied(tmp_path: Path, code: str, timeout_s: float = 20) -> RunDir:
    """The run directory after two askings of a shop with that `reset`."""
    honest, _ = load_shop(Experiment())
    reset = {"command": [sys.executable, "-c", code, str(tmp_path / "done")], "timeout_s": timeout_s}
    shop = Shop.model_validate(honest.model_dump(exclude_unset=True, by_alias=True) | {"reset": reset})
    run_dir = make_parts(tmp_path / "run")
    with Supervisor(run_dir.logs) as supervisor:
        tidying = Tidying(on_free_port(Experiment(), shop), supervisor, run_dir)
        tidying.once()
        tidying.once()
    return run_dir


def test_a_sale_is_reset_once(tmp_path: Path) -> None:
    run_dir = tidied(tmp_path, "import sys; open(sys.argv[1], 'a').write('x')")
    assert (tmp_path / "done").read_text(encoding="utf-8") == "x"
    assert not (run_dir.path / "reset.failed").exists()


@pytest.mark.parametrize(
    ("code", "timeout_s", "said"),
    [("raise SystemExit('no such table')", 20, "reset ended with 1:"), ("import time; time.sleep(60)", 0.3, "reset: expected to end within 0.3 s")],
)  # fmt: skip
def test_a_reset_that_fails_is_told_and_raises_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, code: str, timeout_s: float, said: str
) -> None:
    with caplog.at_level(logging.WARNING):
        run_dir = tidied(tmp_path, code, timeout_s)
    assert f"what the sale left behind is still there: {said}" in caplog.text
    assert (run_dir.path / "reset.failed").read_text(encoding="utf-8").startswith(said)


def test_the_scratch_folder_is_empty_and_goes(tmp_path: Path) -> None:
    with Supervisor(tmp_path) as supervisor:
        with scratch_of(supervisor) as one, scratch_of(supervisor) as other:
            assert one != other
            assert list(one.iterdir()) == []
            (one / "shop.db").write_text("rows", encoding="utf-8")
        assert not one.exists()
        assert not other.exists()
