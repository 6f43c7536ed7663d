"""The watch on the machine, stopped itself: what it loses is what nobody is asked for."""

import os
import signal
import time
from pathlib import Path

import psutil
import pytest

from tests.stalls import watching
from tests.waiting import eventually


def test_what_a_watch_lost_is_counted_once_and_where_it_was(tmp_path: Path) -> None:
    with watching(tmp_path) as stalls:
        watches = psutil.Process().children()
        began = time.time()
        time.sleep(0.1)
        for watch in watches:
            os.kill(watch.pid, signal.SIGSTOP)
        time.sleep(0.3)
        half = time.time() - 0.15
        for watch in watches:
            os.kill(watch.pid, signal.SIGCONT)
        eventually(lambda: sum(ended > half + 0.15 for _, ended in stalls.all()) >= len(watches))
        time.sleep(0.1)
        ended = time.time()
        assert 0.28 < stalls.within(began, ended) < ended - began
        assert stalls.within(half, ended) == pytest.approx(stalls.within(began, ended) - stalls.within(began, half))
        assert 0.14 < stalls.within(half, ended) < ended - half
        assert stalls.within(ended + 1, ended + 2) == 0
        # Eight things in half a second, three fifths of which nobody had.
        assert stalls.rate([began + 0.5 * step / 8 for step in range(9)]) > 1.5 * 8 / 0.5
        assert stalls.rate([began - 2 + 0.5 * step / 8 for step in range(9)]) == pytest.approx(8 / 0.5)
    assert not any(watch.is_running() for watch in watches)
