import contextlib
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from loadtest.errors import RunInterrupted
from loadtest.record.run_dir import make_parts
from loadtest.sale.interrupt import interruptible, leaving


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_raises_and_no_broad_except_swallows_it(number: signal.Signals) -> None:
    before = signal.getsignal(number)

    def careless() -> None:
        try:
            os.kill(os.getpid(), number)
        except Exception:
            pytest.fail("swallowed")

    with pytest.raises(RunInterrupted, match=number.name), interruptible():
        careless()
    assert signal.getsignal(number) is before


def test_a_signal_that_was_taken_for_an_ordinary_error_is_not_lost() -> None:
    def as_duckdb_does() -> None:
        try:
            os.kill(os.getpid(), signal.SIGINT)
        except RunInterrupted:
            raise RuntimeError("Query interrupted") from None

    with pytest.raises(RunInterrupted), interruptible():
        as_duckdb_does()
    with pytest.raises(RunInterrupted), interruptible(), contextlib.suppress(RuntimeError):
        as_duckdb_does()


def test_who_goes_on_after_a_swallowed_signal_can_ask() -> None:
    def goes_on() -> None:
        with interruptible() as check:
            check()
            with contextlib.suppress(BaseException):
                os.kill(os.getpid(), signal.SIGINT)
            check()
            pytest.fail("went on")

    with pytest.raises(RunInterrupted):
        goes_on()


def test_the_second_signal_ends_it_at_once() -> None:
    code = """
    import os, signal, time
    from loadtest.sale.interrupt import interruptible
    with interruptible():
        try:
            os.kill(os.getpid(), signal.SIGINT)
        finally:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(60)
    """
    assert subprocess.run([sys.executable, "-c", textwrap.dedent(code)], timeout=30, check=False).returncode == 130


@pytest.mark.parametrize("judged", [False, True])
def test_an_interruption_says_whether_the_run_was_judged_before_it(judged: bool, tmp_path: Path) -> None:
    run_dir = make_parts(tmp_path / "run")
    if judged:
        run_dir.verdict.touch()
    with pytest.raises(RunInterrupted) as interruption, leaving(run_dir), interruptible():
        os.kill(os.getpid(), signal.SIGINT)
    judging = f"the run was judged before that: loadtest report {run_dir.path}"
    assert interruption.value.left == (judging if judged else "the run has no verdict")
