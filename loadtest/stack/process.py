"""Processes under our own supervision: started, found ready, logged, and stopped in reverse order."""

import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from loadtest.errors import ServiceError
from loadtest.stack import guard, surroundings

POLL_S = 0.02
CAN_PEEK = hasattr(os, "waitid")  # to see an exit code without taking it; on macOS since Python 3.13

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Command:
    """What to run, and how to end it.

    `role` groups processes in samples (``worker``); `name` is this one's own (``worker-1``) and names its log.
    `env` is laid over what every process gets; see `loadtest.stack.surroundings`.
    `stdin` is what its standard input holds; with `told_later` that stays open for `Process.tell`. `user` is a user id to run under,
    where the harness is root and the program refuses to be.
    """

    role: str
    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    stdin: str = ""
    told_later: bool = False
    stop_signal: signal.Signals = signal.SIGTERM
    stop_s: float = 10
    user: int | None = None


class Process:
    """One running process, leader of a process group of its own, so that its children stop with it.

    One that has ended is left a zombie until `stop`: as long as it is there, its number is no other process's, so that no signal of ours
    can hit a stranger.
    """

    def __init__(self, command: Command, popen: subprocess.Popen[bytes], log: Path, log_from: int = 0) -> None:
        self.command = command
        self.log = log
        self._log_from = log_from  # what stands before is a predecessor's
        self._popen = popen
        self._stop_by: float | None = None  # on the clock of `time.monotonic`, once the stop signal was sent
        self._expected_to_die = False
        self._stopped = False

    @property
    def name(self) -> str:
        """Its name in logs and messages."""
        return self.command.name

    @property
    def pid(self) -> int:
        """Its process id, which is also its process group."""
        return self._popen.pid

    def exit_code(self) -> int | None:
        """Its exit code, None while it runs; negative when a signal ended it."""
        if self._popen.returncode is not None or not CAN_PEEK:
            return self._popen.poll()
        ended = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if ended is None:
            return None
        return ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status

    def expect_death(self) -> None:
        """A fault takes it down: its end is no news."""
        self._expected_to_die = True

    @property
    def died_unasked(self) -> bool:
        """Whether it ended though no fault took it down and nobody stopped it."""
        return self._stop_by is None and not self._expected_to_die and self.exit_code() is not None

    def signal_group(self, number: signal.Signals) -> None:
        """Send a signal to it and its children. Once it was stopped its number may be another's, and nothing is sent."""
        if not self._stopped:
            guard.signal_group(self.pid, number)

    def tell(self, line: str) -> None:
        """Write a line to its standard input, and close that. Of a process that has ended, its exit code tells."""
        assert self._popen.stdin is not None, f"{self.name}: was not started to be told later"
        with contextlib.suppress(BrokenPipeError), self._popen.stdin as stdin:
            stdin.write(f"{line}\n".encode())

    def wait(self, timeout_s: float) -> int:
        """Wait for its end, and give the exit code.

        Raises:
            ServiceError: it still runs after `timeout_s`.
        """
        if (code := self._ended_by(time.monotonic() + timeout_s)) is None:
            raise ServiceError(f"{self.name}: expected to end within {timeout_s:g} s, still runs; see {self.log}")
        return code

    def wait_ready(self, ready: Callable[[], bool], timeout_s: float) -> None:
        """Wait until `ready()`.

        Raises:
            ServiceError: it ended first, or was not ready in time. The message holds the last lines of its log.
        """
        deadline = time.monotonic() + timeout_s
        # What looks ready may be somebody else's, on a port that this process did not get: whether it lives is asked after each look.
        while True:
            is_ready = ready()
            if (code := self.exit_code()) is not None:
                when = "while another program answers in its place" if is_ready else "before it was ready"
                raise ServiceError(f"{self.name}: ended with {code} {when}:\n{self.log_tail()}")
            if is_ready:
                return
            if time.monotonic() > deadline:
                raise ServiceError(f"{self.name}: not ready after {timeout_s:g} s:\n{self.log_tail()}")
            time.sleep(POLL_S)

    def log_contains(self, text: str) -> bool:
        """Whether a line of its log holds `text`."""
        return text in self._own_log()

    def log_tail(self, lines: int = 8) -> str:
        """The last lines of its log, indented."""
        found = self._own_log().splitlines()[-lines:]
        return "\n".join(f"  | {line}" for line in found) or "  | (its log is empty)"

    def _own_log(self) -> str:
        return self.log.read_bytes()[self._log_from :].decode(errors="replace")

    def begin_stop(self) -> None:
        """Send it the stop signal, once, and do not wait for its end; `stop` does."""
        if self._stop_by is None and self.exit_code() is None:
            self._stop_by = time.monotonic() + self.command.stop_s
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(self.pid, self.command.stop_signal)

    def stop(self) -> None:
        """End it and its children: the stop signal, `stop_s` of time from then on, then kill."""
        self.begin_stop()
        if self._stop_by is not None:
            self._ended_by(self._stop_by)
        self.signal_group(signal.SIGKILL)
        self._stopped = True
        self._popen.wait()
        if self._popen.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._popen.stdin.close()

    def _ended_by(self, deadline: float) -> int | None:
        """Its exit code; None if it still runs at `deadline`, on the clock of `time.monotonic`."""
        pause_s = 0.0005
        while (code := self.exit_code()) is None and (left_s := deadline - time.monotonic()) > 0:
            time.sleep(min(pause_s, left_s))
            pause_s = min(2 * pause_s, POLL_S)
        return code


class Supervisor:
    """Owns every process of a run. Leaving the context stops them, the last started first; the guard does where we cannot.

    `log_dir` takes ``<name>.log`` of each. `journal`, when given, takes one JSON line for each start, for the probes.
    """

    def __init__(self, log_dir: Path, journal: Path | None = None) -> None:
        self.log_dir = log_dir
        self._journal = journal
        self._running: list[Process] = []
        self._guard: subprocess.Popen[bytes] | None = None
        self._remove_at_exit: list[Path] = []

    def __enter__(self) -> Self:
        self.log_dir.mkdir(parents=True, exist_ok=True)
        self._guard = _start_guard()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in reversed(self._running.copy()):
            self.stop(process)
        self._close_guard()

    def start(self, command: Command) -> Process:
        """Start `command`; its output goes to its log.

        Raises:
            ServiceError: the program is not there or may not be run.
        """
        log = self.log_dir / f"{command.name}.log"
        log_from = log.stat().st_size if log.exists() else 0
        with log.open("ab") as out, _standard_input(command) as stdin:
            try:
                popen = subprocess.Popen(
                    list(command.argv),
                    stdin=stdin,
                    stdout=out,
                    stderr=subprocess.STDOUT,
                    env={**surroundings.for_our_own(), **command.env},
                    start_new_session=True,
                    user=command.user,
                    extra_groups=None if command.user is None else [],
                )
            except OSError as error:
                raise ServiceError(f"{command.name}: cannot run {command.argv[0]!r}: {error.strerror}") from None
        process = Process(command, popen, log, log_from)
        self._running.append(process)
        self._tell(_watch(process))
        self._note(process)
        return process

    def stop(self, *processes: Process) -> None:
        """Stop these processes now. All have their stop signal before the first is waited for, so that they end side by side.

        One that was stopped before is passed over.
        """
        standing = [process for process in processes if process in self._running]
        for process in standing:
            process.begin_stop()
        for process in standing:
            process.stop()
            self._running.remove(process)
            self._tell(f"forget {process.pid}")

    def run(self, command: Command, timeout_s: float) -> Process:
        """Run `command` to its end and give it back, whatever its exit code.

        Raises:
            ServiceError: it did not end within `timeout_s`.
        """
        process = self.start(command)
        try:
            process.wait(timeout_s)
        finally:
            self.stop(process)
        return process

    def remove_at_exit(self, directory: Path) -> None:
        """Have the guard remove `directory` once everything is stopped."""
        self._remove_at_exit.append(directory)
        self._tell(f"remove {directory}")

    def running(self) -> list[Process]:
        """Every process not yet stopped, in the order of their start."""
        return self._running.copy()

    def dead(self) -> list[Process]:
        """Processes that ended though no fault took them down and nobody stopped them."""
        return [process for process in self._running if process.died_unasked]

    def keep_guarded(self) -> None:
        """Start another guard where somebody has ended ours."""
        assert self._guard is not None, "a Supervisor starts processes inside its context"
        if self._guard.poll() is not None:
            log.warning("the guard of this run has ended with %s; another takes its place", self._guard.returncode)
            self._close_guard()
            self._guard = _start_guard()
            for line in (*map(_watch, self._running), *(f"remove {directory}" for directory in self._remove_at_exit)):
                self._write(line)

    def _tell(self, line: str) -> None:
        """Tell the guard. One that has ended is followed by another, which is told everything."""
        self._write(line)
        self.keep_guarded()

    def _write(self, line: str) -> None:
        assert self._guard is not None
        assert self._guard.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._guard.stdin.write(f"{line}\n".encode())
            self._guard.stdin.flush()

    def _close_guard(self) -> None:
        assert self._guard is not None
        assert self._guard.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._guard.stdin.close()
        self._guard.wait()

    def _note(self, process: Process) -> None:
        if self._journal:
            line = {"t": time.time_ns(), "role": process.command.role, "name": process.name, "pid": process.pid}
            with self._journal.open("a", encoding="utf-8") as journal:
                journal.write(json.dumps(line) + "\n")


def _start_guard() -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-I", "-S", guard.__file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env=surroundings.for_our_own(),
    )


def _watch(process: Process) -> str:
    return f"watch {process.pid} {int(process.command.stop_signal)} {guard.started(process.pid)}"


@contextlib.contextmanager
def _standard_input(command: Command) -> Iterator[int | IO[bytes]]:
    """A pipe end that gives the command's text and ends; secrets go this way, because arguments can be read by any user."""
    if not command.stdin:
        yield subprocess.PIPE if command.told_later else subprocess.DEVNULL
        return
    read_end, write_end = os.pipe()
    os.write(write_end, command.stdin.encode())
    os.close(write_end)
    try:
        yield read_end
    finally:
        os.close(read_end)
