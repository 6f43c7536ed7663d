import os
import signal
import subprocess
import sys
import textwrap

import pytest

from loadtest.errors import RunInterrupted
from loadtest.interrupt import interruptible


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


def test_the_second_signal_ends_it_at_once() -> None:
    code = """
    import os, signal, time
    from loadtest.interrupt import interruptible
    with interruptible():
        try:
            os.kill(os.getpid(), signal.SIGINT)
        finally:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(60)
    """
    assert subprocess.run([sys.executable, "-c", textwrap.dedent(code)], timeout=30, check=False).returncode == 130
