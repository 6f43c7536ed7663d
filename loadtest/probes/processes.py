"""Processor time and memory of every process that the harness started, with its children, by role; where a role has several, by name too."""

import contextlib
import json
from collections import defaultdict
from pathlib import Path

import psutil

from loadtest.probes import Reading, Subject, seldom


class ProcessesProbe:
    """Reads the table of processes, and adds each to the nearest of ours above it.

    *Warning:* what a process used dies with it: the processor time of a role falls when a child of it ends.
    """

    def __init__(self, subject: Subject) -> None:
        self._journal: Path = subject.processes
        self._roles: dict[int, tuple[str, ...]] = {}  # by process: its role, and its name if that is one of several
        self._ours: dict[int, psutil.Process] = {}
        self._strangers: set[int] = set()  # processes that are nobody's we know; looked at once
        self._read_to = 0
        self._due = seldom()

    def read(self) -> Reading:
        """At one tick in `SELDOM`: <role>.cpu_s (a counter, user and system) and <role>.rss_bytes; the same of worker-1, worker-2 … where there are several."""
        if not next(self._due):
            return {}
        self._learn_roles()
        self._find_ours()
        totals: dict[str, float] = defaultdict(float)
        for pid, process in self._ours.items():
            with contextlib.suppress(psutil.Error), process.oneshot():
                cpu, rss = process.cpu_times(), float(process.memory_info().rss)
                for name in self._roles[pid]:
                    totals[f"{name}.cpu_s"] += cpu.user + cpu.system
                    totals[f"{name}.rss_bytes"] += rss
        return totals

    def close(self) -> None:
        """Nothing is held."""

    def _find_ours(self) -> None:
        """Take in who is new, and forget who is gone. Only they are looked at: the rest of the machine would cost more than we do."""
        there = set(psutil.pids())
        for gone in self._ours.keys() - there:
            del self._ours[gone], self._roles[gone]
        self._strangers &= there
        for pid in sorted(there - self._ours.keys() - self._strangers):
            self._place(pid)

    def _place(self, pid: int) -> tuple[str, ...]:
        """The names under which a process counts: its own in the journal, else its parent's; () for a stranger."""
        if pid in self._strangers or pid in self._ours:
            return self._roles.get(pid, ())
        names: tuple[str, ...] = ()
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(pid)
            names = self._roles.get(pid) or (self._place(process.ppid()) if process.ppid() else ())
            if names:
                self._ours[pid], self._roles[pid] = process, names
        if not names:
            self._strangers.add(pid)
        return names

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
                self._strangers.clear()  # a child of it may have been looked at before it was named
