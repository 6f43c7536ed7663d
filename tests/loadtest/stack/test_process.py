import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psutil
import pytest

from loadtest.errors import ServiceError
from loadtest.stack import guard
from loadtest.stack.process import Command, Supervisor
from tests.waiting import eventually


def python(code: str, name: str = "child", **more: object) -> Command:
    return Command("role", name, [sys.executable, "-u", "-c", textwrap.dedent(code)], **more)  # type: ignore[arg-type]


def gone(pid: int, within_s: float = 5) -> bool:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.02)
    return False


PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print("child", child.pid, flush=True)
time.sleep(600)
"""


def grandchild(log: Path) -> int:
    return int(log.read_text(encoding="utf-8").split()[1])


def test_output_goes_to_the_log_and_the_environment_is_given(tmp_path: Path) -> None:
    with Supervisor(tmp_path) as supervisor:
        done = supervisor.run(
            python("import os, sys; print(os.environ['X'], sys.stdin.read())", env={"X": "7"}, stdin="secret"), 10
        )
    assert done.exit_code() == 0
    assert (tmp_path / "child.log").read_text(encoding="utf-8") == "7 secret\n"


def test_one_that_ends_before_it_is_ready_shows_its_log(tmp_path: Path) -> None:
    with Supervisor(tmp_path) as supervisor:
        process = supervisor.start(python("raise SystemExit('no such database')"))
        with pytest.raises(ServiceError, match=r"child: ended with 1 before it was ready:\n  \| no such database"):
            process.wait_ready(lambda: False, 10)


def test_one_that_never_gets_ready_is_given_up(tmp_path: Path) -> None:
    with Supervisor(tmp_path) as supervisor:
        process = supervisor.start(python("import time; time.sleep(60)"))
        with pytest.raises(ServiceError, match=r"not ready after 0\.1 s"):
            process.wait_ready(lambda: False, 0.1)


def test_a_missing_program_is_an_error_of_ours(tmp_path: Path) -> None:
    with Supervisor(tmp_path) as supervisor, pytest.raises(ServiceError, match="cannot run '/no/such'"):
        supervisor.start(Command("role", "x", ["/no/such"]))


def test_leaving_stops_everything_with_children_last_started_first(tmp_path: Path) -> None:
    on_term = "import signal, sys, time; signal.signal(15, lambda *_: sys.exit(print('end', time.time_ns()))); print('up'); time.sleep(60)"
    with Supervisor(tmp_path) as supervisor:
        first, second = supervisor.start(python(on_term, "first")), supervisor.start(python(on_term, "second"))
        family = supervisor.start(python(PARENT, "family"))
        for process in (first, second):
            process.wait_ready(lambda process=process: process.log_contains("up"), 10)  # type: ignore[misc]
        family.wait_ready(lambda: family.log_contains("\n"), 10)
    ended = {
        name: int((tmp_path / f"{name}.log").read_text(encoding="utf-8").split()[-1]) for name in ("first", "second")
    }
    assert ended["second"] < ended["first"]
    assert gone(grandchild(tmp_path / "family.log"))


def test_those_that_are_stopped_together_end_side_by_side(tmp_path: Path) -> None:
    def waiting_for(name: str, other: str) -> Command:
        told, others = tmp_path / f"{name}.told", tmp_path / f"{other}.told"
        return python(
            f"import pathlib, signal, sys, time; told, other = pathlib.Path({str(told)!r}), pathlib.Path({str(others)!r})\n"
            "def stop(*_):\n"
            "    told.touch()\n"
            "    while not other.exists(): time.sleep(0.01)\n"
            "    sys.exit(7)\n"
            "signal.signal(15, stop); print('up'); time.sleep(60)",
            name,
        )

    with Supervisor(tmp_path) as supervisor:
        both = [supervisor.start(waiting_for("a", "b")), supervisor.start(waiting_for("b", "a"))]
        for process in both:
            process.wait_ready(lambda process=process: process.log_contains("up"), 10)  # type: ignore[misc]
        supervisor.stop(*both)
        assert supervisor.running() == []
    assert [process.exit_code() for process in both] == [7, 7], "one was waited for before the other was told"


def test_one_that_was_told_to_stop_has_its_time_from_then_on(tmp_path: Path) -> None:
    with Supervisor(tmp_path) as supervisor:
        command = python(
            "import signal, time; signal.signal(15, signal.SIG_IGN); print('up'); time.sleep(60)", stop_s=0.3
        )
        stubborn = supervisor.start(command)
        stubborn.wait_ready(lambda: stubborn.log_contains("up"), 10)
        stubborn.begin_stop()
        assert stubborn.exit_code() is None
        stubborn.begin_stop()  # a second time gives no more time
        supervisor.stop(stubborn)
    assert stubborn.exit_code() == -signal.SIGKILL


def test_a_line_told_later_is_its_standard_input(tmp_path: Path) -> None:
    with Supervisor(tmp_path) as supervisor:
        listener = supervisor.start(
            Command(
                "role", "x", [sys.executable, "-c", "import sys; print('heard', sys.stdin.read())"], told_later=True
            )
        )
        listener.tell("a b")
        assert listener.wait(10) == 0
    assert (tmp_path / "x.log").read_text(encoding="utf-8").split() == ["heard", "a", "b"]


def test_one_that_ended_before_it_was_told_is_no_error(tmp_path: Path) -> None:
    with Supervisor(tmp_path) as supervisor:
        gone = supervisor.start(Command("role", "x", [sys.executable, "-c", ""], told_later=True))
        assert gone.wait(10) == 0
        gone.tell("anything")


def test_one_that_ignores_its_stop_signal_is_killed(tmp_path: Path) -> None:
    with Supervisor(tmp_path) as supervisor:
        stubborn = supervisor.start(
            python("import signal, time; signal.signal(15, signal.SIG_IGN); print('up'); time.sleep(60)", stop_s=0.2)
        )
        stubborn.wait_ready(lambda: stubborn.log_contains("up"), 10)
        supervisor.stop(stubborn)
    assert stubborn.exit_code() == -signal.SIGKILL


def test_one_that_died_by_itself_is_told_apart(tmp_path: Path) -> None:
    with Supervisor(tmp_path) as supervisor:
        victim, other = (
            supervisor.start(python("import time; time.sleep(60)", "a")),
            supervisor.start(python("import time; time.sleep(60)", "b")),
        )
        os.kill(victim.pid, signal.SIGKILL)
        assert gone(victim.pid)
        assert supervisor.dead() == [victim]
        assert other in supervisor.running()


def test_after_kill_9_of_the_harness_the_guard_leaves_nothing(tmp_path: Path) -> None:
    doomed = tmp_path / "data"
    doomed.mkdir()
    harness = f"""
    import sys, time
    from pathlib import Path
    from loadtest.stack.process import Command, Supervisor
    with Supervisor(Path({str(tmp_path)!r})) as supervisor:
        supervisor.remove_at_exit(Path({str(doomed)!r}))
        family = supervisor.start(Command("role", "family", [sys.executable, "-c", {PARENT!r}]))
        family.wait_ready(lambda: family.log_contains("\\n"), 10)
        print(family.pid, flush=True)
        time.sleep(600)
    """
    popen = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(harness)], stdout=subprocess.PIPE, text=True, encoding="utf-8"
    )
    assert popen.stdout is not None
    pid = int(popen.stdout.readline())
    child = grandchild(tmp_path / "family.log")
    assert psutil.pid_exists(child)
    popen.kill()
    popen.wait()
    assert gone(pid)
    assert gone(child)
    deadline = time.monotonic() + 5
    while doomed.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not doomed.exists()


SLEEPS = "import time; time.sleep(60)"


def test_the_number_of_one_that_ended_stays_its_own_until_it_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Supervisor(tmp_path) as supervisor:
        failed, killed, waited = (
            supervisor.start(python(c, c[-6:-1])) for c in ("exit(7)  # a", SLEEPS, "exit(0)  # c")
        )
        killed.signal_group(signal.SIGKILL)
        assert waited.wait(10) == 0
        eventually(lambda: (failed.exit_code(), killed.exit_code()) == (7, -signal.SIGKILL), 10)
        for process in (failed, killed, waited):
            assert psutil.Process(process.pid).status() == psutil.STATUS_ZOMBIE, "its number could be another's by now"
        supervisor.stop(failed, killed, waited)
        signalled: list[int] = []
        monkeypatch.setattr(guard, "signal_group", lambda group, _number: signalled.append(group))
        for process in (failed, killed, waited):
            assert not psutil.pid_exists(process.pid)
            process.signal_group(signal.SIGKILL)
            process.begin_stop()
        assert signalled == []
    assert [process.exit_code() for process in (failed, killed, waited)] == [7, -signal.SIGKILL, 0]


def test_the_guard_stops_no_process_that_has_the_number_of_one_of_ours(tmp_path: Path) -> None:
    with Supervisor(tmp_path) as supervisor:
        ours, stranger, unknown = (supervisor.start(python(SLEEPS, name)) for name in ("a", "b", "c"))
        told = f"watch {ours.pid} 15 {guard.started(ours.pid)}\nwatch {stranger.pid} 15 1\nwatch {unknown.pid} 15\n"
        subprocess.run([sys.executable, "-I", "-S", guard.__file__], input=told.encode(), timeout=20, check=True)
        assert (ours.exit_code(), stranger.exit_code(), unknown.exit_code()) == (-15, None, -15)


@pytest.mark.parametrize("notices", ["a start", "a stop", "a look"])
def test_a_killed_guard_is_followed_by_another_that_knows_everything(
    notices: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    doomed = tmp_path / "data"
    doomed.mkdir()
    with Supervisor(tmp_path) as supervisor:
        supervisor.remove_at_exit(doomed)
        first, second = supervisor.start(python(SLEEPS, "first")), supervisor.start(python(SLEEPS, "second"))
        before = supervisor._guard
        assert before is not None
        before.kill()
        eventually(lambda: psutil.Process(before.pid).status() == psutil.STATUS_ZOMBIE)
        if notices == "a start":
            supervisor.start(python(SLEEPS, "third"))
        elif notices == "a stop":
            supervisor.stop(second)
        else:
            supervisor.keep_guarded()
        assert "the guard of this run has ended with -9; another takes its place" in caplog.text
        after = supervisor._guard
        assert after is not None
        assert after.stdin is not None
        after.stdin.close()  # as when the harness is killed
        after.wait(20)
        supervisor.keep_guarded()
        assert first.exit_code() == -signal.SIGTERM
        assert not doomed.exists()


def test_what_is_ready_while_the_process_is_dead_is_another_programs(tmp_path: Path) -> None:
    with Supervisor(tmp_path) as supervisor:
        process = supervisor.start(python("raise SystemExit('address in use')"))
        process.wait(10)
        with pytest.raises(
            ServiceError, match=r"ended with 1 while another program answers in its place:\n  \| address"
        ):
            process.wait_ready(lambda: True, 10)


def test_a_death_that_somebody_meant_is_none_of_ours(tmp_path: Path) -> None:
    with Supervisor(tmp_path) as supervisor:
        murdered, by_itself, by_a_fault, stopped = (supervisor.start(python(c, str(n))) for n, c in enumerate(
            (SLEEPS, "exit(0)", SLEEPS, SLEEPS)))  # fmt: skip
        os.kill(murdered.pid, signal.SIGKILL)
        by_a_fault.expect_death()
        by_a_fault.signal_group(signal.SIGKILL)
        stopped.begin_stop()
        everybody = (murdered, by_itself, by_a_fault, stopped)
        eventually(lambda: all(process.exit_code() is not None for process in everybody), 10)
        assert [process.died_unasked for process in everybody] == [True, True, False, False]
