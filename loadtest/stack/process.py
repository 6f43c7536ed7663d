"""Processes under our own supervision: started, found ready, logged, and stopped in reverse order."""

import contextlib
import json
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
    """One running process, leader of a process group of its own, so that its children stop with it."""

    def __init__(self, command: Command, popen: subprocess.Popen[bytes], log: Path, log_from: int = 0) -> None:
        self.command = command
        self.log = log
        self._log_from = log_from  # what stands before is a predecessor's
        self._popen = popen
        self._stop_by: float | None = None  # on the clock of `time.monotonic`, once the stop signal was sent

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
        return self._popen.poll()

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
        try:
            return self._popen.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise ServiceError(
                f"{self.name}: expected to end within {timeout_s:g} s, still runs; see {self.log}"
            ) from None

    def wait_ready(self, ready: Callable[[], bool], timeout_s: float) -> None:
        """Wait until `ready()`.

        Raises:
            ServiceError: it ended first, or was not ready in time. The message holds the last lines of its log.
        """
        deadline = time.monotonic() + timeout_s
        while not ready():
            if self.exit_code() is not None:
                raise ServiceError(
                    f"{self.name}: ended with {self.exit_code()} before it was ready:\n{self.log_tail()}"
                )
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
        if self._stop_by is None and self._popen.poll() is None:
            self._stop_by = time.monotonic() + self.command.stop_s
            with contextlib.suppress(ProcessLookupError):
                self._popen.send_signal(self.command.stop_signal)

    def stop(self) -> None:
        """End it and its children: the stop signal, `stop_s` of time from then on, then kill."""
        self.begin_stop()
        if self._stop_by is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._popen.wait(max(0.0, self._stop_by - time.monotonic()))
        guard.signal_group(self.pid, signal.SIGKILL)
        self._popen.wait()
        if self._popen.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._popen.stdin.close()


class Supervisor:
    """Owns every process of a run. Leaving the context stops them, the last started first; the guard does where we cannot.

    `log_dir` takes ``<name>.log`` of each. `journal`, when given, takes one JSON line for each start, for the probes.
    """

    def __init__(self, log_dir: Path, journal: Path | None = None) -> None:
        self.log_dir = log_dir
        self._journal = journal
        self._running: list[Process] = []
        self._guard: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.log_dir.mkdir(parents=True, exist_ok=True)
        self._guard = subprocess.Popen(
            [sys.executable, "-I", "-S", guard.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env=surroundings.for_our_own(),
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in reversed(self._running.copy()):
            self.stop(process)
        assert self._guard is not None
        assert self._guard.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._guard.stdin.close()
        self._guard.wait()

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
        self._tell(f"watch {popen.pid} {int(command.stop_signal)}")
        process = Process(command, popen, log, log_from)
        self._running.append(process)
        self._note(process)
        return process

    def stop(self, *processes: Process) -> None:
        """Stop these processes now. All have their stop signal before the first is waited for, so that they end side by side."""
        for process in processes:
            process.begin_stop()
        for process in processes:
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
        self._tell(f"remove {directory}")

    def running(self) -> list[Process]:
        """Every process not yet stopped, in the order of their start."""
        return self._running.copy()

    def dead(self) -> list[Process]:
        """Processes that ended without being asked to."""
        return [process for process in self._running if process.exit_code() is not None]

    def _tell(self, line: str) -> None:
        assert self._guard is not None, "a Supervisor starts processes inside its context"
        assert self._guard.stdin is not None
        self._guard.stdin.write(f"{line}\n".encode())
        self._guard.stdin.flush()

    def _note(self, process: Process) -> None:
        if self._journal:
            line = {"t": time.time_ns(), "role": process.command.role, "name": process.name, "pid": process.pid}
            with self._journal.open("a", encoding="utf-8") as journal:
                journal.write(json.dumps(line) + "\n")


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
