"""The probe of processes: CPU time and memory of every process that the harness started, with its descendants."""

import contextlib
import json
from collections import defaultdict
from pathlib import Path

import psutil

from loadtest.probes import Reading, Subject, seldom


class ProcessesProbe:
    """CPU time and memory of every process that the harness started, with its descendants, by role.

    A process that the harness did not start counts for its nearest ancestor that it did start.
    *Warning:* the CPU time of a process disappears when it ends, so the counter of its role falls.
    """

    def __init__(self, subject: Subject) -> None:
        self._journal: Path = subject.processes
        self._roles: dict[int, tuple[str, ...]] = {}  # pid → its role, and its own name where the role has several
        self._ours: dict[int, psutil.Process] = {}
        self._strangers: set[int] = set()  # pids that descend from no process of ours, so that each is looked at once
        self._read_to = 0
        self._due = seldom()

    def read(self) -> Reading:
        """At one tick in `SELDOM`: <role>.cpu_s (a counter, user and system) and <role>.rss_bytes.

        Where a role has several processes, also the same of each by name (worker-1, worker-2, …).
        """
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
        """Nothing to close."""

    def _find_ours(self) -> None:
        """Add new processes of ours and drop ended ones. Only new pids are inspected: reading every process of the machine is too slow."""
        there = set(psutil.pids())
        for gone in self._ours.keys() - there:
            del self._ours[gone], self._roles[gone]
        self._strangers &= there
        for pid in sorted(there - self._ours.keys() - self._strangers):
            self._place(pid)

    def _place(self, pid: int) -> tuple[str, ...]:
        """The names under which a process counts: its own in the journal, else those of its parent; () if it is none of ours."""
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
        with self._journal.open(encoding="utf-8") as journal:
            journal.seek(self._read_to)
            while (line := journal.readline()).endswith("\n"):
                entry = json.loads(line)
                role, name = entry["role"], entry["name"]
                self._roles[entry["pid"]] = (role, name) if name.startswith(f"{role}-") else (role,)
                self._read_to = journal.tell()
                self._strangers.clear()  # a child may have been taken for a stranger before the journal named its parent
