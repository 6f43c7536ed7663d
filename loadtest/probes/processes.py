"""Processor time and memory of every process that the harness started, with its children, by role; where a role has several, by name too."""

import contextlib
import json
from collections import defaultdict
from pathlib import Path

import psutil

from loadtest.probes import Reading, Subject

EVERY = 5  # a walk over all processes costs milliseconds: one reading in so many


class ProcessesProbe:
    """Reads the table of processes, and adds each to the nearest of ours above it.

    *Warning:* what a process used dies with it: the processor time of a role falls when a child of it ends.
    """

    def __init__(self, subject: Subject) -> None:
        self._journal: Path = subject.processes
        self._roles: dict[int, tuple[str, ...]] = {}  # by process: its role, and its name if that is one of several
        self._read_to = 0
        self._turn = -1

    def read(self) -> Reading:
        """<role>.cpu_s (a counter, user and system) and <role>.rss_bytes; the same of worker-1, worker-2 … where there are several."""
        self._turn += 1
        if self._turn % EVERY:
            return {}
        self._learn_roles()
        parents: dict[int, int] = {}
        used: dict[int, tuple[float, float]] = {}
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error), process.oneshot():
                parents[process.pid] = process.ppid()
                cpu = process.cpu_times()
                used[process.pid] = cpu.user + cpu.system, float(process.memory_info().rss)
        totals: dict[str, float] = defaultdict(float)
        for pid, (cpu_s, rss) in used.items():
            for name in self._names(pid, parents):
                totals[f"{name}.cpu_s"] += cpu_s
                totals[f"{name}.rss_bytes"] += rss
        return totals

    def close(self) -> None:
        """Nothing is held."""

    def _names(self, pid: int, parents: dict[int, int]) -> tuple[str, ...]:
        while pid not in self._roles:
            if pid not in parents:
                return ()
            pid = parents[pid]
        return self._roles[pid]

    def _learn_roles(self) -> None:
        if not self._journal.exists():
            return
        with self._journal.open() as journal:
            journal.seek(self._read_to)
            while (line := journal.readline()).endswith("\n"):
                entry = json.loads(line)
                role, name = entry["role"], entry["name"]
                self._roles[entry["pid"]] = (role, name) if name.startswith(f"{role}-") else (role,)
                self._read_to = journal.tell()
