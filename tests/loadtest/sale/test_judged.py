"""What is raised once a sale is judged."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn, cast

import pytest

from loadtest.errors import LOG, HarnessError
from loadtest.judge.verdict import Verdict
from loadtest.record.run_dir import make_parts
from loadtest.sale.progress import Silent
from loadtest.sale.run import hold_sale


@pytest.mark.parametrize(
    "raised",
    [
        OSError(28, "No space left on device"),
        ZeroDivisionError(),
        HarnessError("no"),
        BrokenPipeError(32, "Broken pipe"),
    ],
)
def test_what_its_report_raises_changes_no_verdict(
    raised: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    verdict = cast("Verdict", object())

    @contextmanager
    def held(*_: Any) -> Iterator[None]:
        yield

    def done(_: Path) -> NoReturn:
        raise raised

    monkeypatch.setattr("loadtest.sale.run.Sale.held", held)
    monkeypatch.setattr("loadtest.sale.run.conclude", lambda _: verdict)
    run_dir = make_parts(tmp_path / "run")
    nothing: Any = None
    assert hold_sale(nothing, run_dir, nothing, nothing, Silent(), done) is verdict
    assert isinstance(raised, HarnessError) or type(raised).__name__ in (run_dir.logs / LOG).read_text(encoding="utf-8")
