"""The gate: buyers meet at a barrier and fire at one wall-clock T0, in one process or in many.

Each process has a `Gate` that counts its own buyers and reports the counts to the leader (the master, or the only
process there is) as Locust messages. The `Leader` broadcasts T0 once everybody stands at a gate: Locust's
``spawning_complete`` comes before any buyer has run a line. *Warning:* with generators on several machines, T0 is
as simultaneous as their clocks.
"""

import gc
import logging
from collections.abc import Callable
from dataclasses import dataclass
from time import time_ns
from typing import Any

import gevent
from gevent.event import Event

COUNT = "gate_count"
T0 = "gate_t0"
REPORT_S = 0.02
LEAD_S = 0.3
# Distance to T0 grows with the herd, so that the news has reached everyone before it.
LEAD_S_PER_BUYER = 50e-6

log = logging.getLogger(__name__)


class Gate:
    """The barrier of one process. It opens once, and stays open for whoever comes late."""

    def __init__(self, runner: Any) -> None:
        self.arrived = 0
        self.done = 0
        self.t0_ns: int | None = None
        self._runner = runner
        self._announced = Event()
        self._opened = Event()
        self._report_due = False
        self._releaser: Any = None

    @property
    def waiting(self) -> int:
        """Buyers that stand at the closed gate."""
        return 0 if self._opened.is_set() else self.arrived

    def wait(self) -> int:
        """Arrives, waits for T0 without spinning, and returns it in nanoseconds."""
        self.arrive()
        return self.watch()

    def arrive(self) -> None:
        """One more buyer stands at the gate."""
        self.arrived += 1
        self._report_soon()

    def watch(self) -> int:
        """Waits for T0 without being counted: the second click of a buyer who arrives anyway."""
        self._opened.wait()
        assert self.t0_ns is not None
        return self.t0_ns

    def announced(self) -> int:
        """Waits until T0 is known, which is some time before it, and returns it."""
        self._announced.wait()
        assert self.t0_ns is not None
        return self.t0_ns

    def opens_before(self, moment_ns: int) -> bool:
        """Waits until `moment_ns`, or until the gate opens. Returns whether it did."""
        return bool(self._opened.wait(max(0.0, (moment_ns - time_ns()) / 1e9)))

    def leave(self) -> None:
        """One buyer's story is over."""
        self.done += 1
        self._report_soon()

    def open_at(self, t0_ns: int) -> None:
        """Opens at `t0_ns`. Told twice, it keeps the first."""
        if self.t0_ns is None:
            self.t0_ns = t0_ns
            self._announced.set()
            self._releaser = gevent.spawn(self._release, t0_ns)

    def close(self) -> None:
        """Ends the round: nobody is released any more."""
        if self._releaser is not None:
            self._releaser.kill(block=False)

    def _release(self, t0_ns: int) -> None:
        # The waiting buyers stay, too: no collection needs to walk them while they fire.
        gc.freeze()
        while (left_ns := t0_ns - time_ns()) > 0:
            gevent.sleep(left_ns / 1e9)
        self._opened.set()

    def _report_soon(self) -> None:
        """One message for all that happens within a moment, not one a buyer."""
        if not self._report_due:
            self._report_due = True
            gevent.spawn_later(REPORT_S, self._report)

    def _report(self) -> None:
        self._report_due = False
        counts = {"arrived": self.arrived, "done": self.done, "knows_t0": self.t0_ns is not None}
        self._runner.send_message(COUNT, counts)


@dataclass(slots=True)
class _Count:
    arrived: int = 0
    done: int = 0


class Leader:
    """Decides T0, and knows when the last buyer has an answer.

    `expected` tells how many buyers are to come, `on_t0` hears T0 in nanoseconds, `on_end` is called once: when every
    buyer is done, or `deadline_s` after T0. Where a LoadTestShape changes how many users Locust is to run, `buyers` says how many
    come in all. `at_once` is false where they are not to wait for each other: then the first to arrive sets T0.
    """

    def __init__(
        self,
        runner: Any,
        gather_s: float,
        deadline_s: float,
        on_t0: Callable[[int], None],
        on_end: Callable[[str], None],
        buyers: int | None = None,
        at_once: bool = True,
    ) -> None:
        self.t0_ns: int | None = None
        self._runner = runner
        self._gather_s = gather_s
        self._deadline_s = deadline_s
        self._on_t0 = on_t0
        self._on_end = on_end
        self._buyers = buyers
        self._at_once = at_once
        self._counts: dict[str, _Count] = {}
        self._timers: list[Any] = []
        self._ended = False

    def spawned(self) -> None:
        """Every buyer exists: from now on they have `gather_s` to reach the gate."""
        if self.t0_ns is None:
            self._timers.append(gevent.spawn_later(self._gather_s, self._give_up))

    def count(self, node: str, arrived: int, done: int, knows_t0: bool) -> None:
        """Takes in the report of one process."""
        self._counts[node] = _Count(arrived, done)
        if self.t0_ns is None:
            if self._sum_arrived() >= (self._expected() if self._at_once else 1):
                self._announce()
        elif not knows_t0:
            self._runner.send_message(T0, {"t0_ns": self.t0_ns})
        if self.t0_ns is not None and sum(count.done for count in self._counts.values()) >= self._expected():
            self._end("every buyer has an answer")

    def close(self) -> None:
        """Ends the round: its timers ring no more."""
        self._ended = True
        for timer in self._timers:
            timer.kill(block=False)

    def _sum_arrived(self) -> int:
        return sum(count.arrived for count in self._counts.values())

    def _expected(self) -> int:
        return self._buyers or max(1, int(self._runner.target_user_count))

    def _give_up(self) -> None:
        if self.t0_ns is None:
            log.warning(
                "%d of %d buyers reached the gate in %g s (arrivals.gather_s); the sale starts with those",
                self._sum_arrived(), self._expected(), self._gather_s,
            )  # fmt: skip
            self._announce()

    def _announce(self) -> None:
        lead_s = LEAD_S + LEAD_S_PER_BUYER * self._sum_arrived()
        self.t0_ns = time_ns() + int(lead_s * 1e9)
        self._on_t0(self.t0_ns)
        self._runner.send_message(T0, {"t0_ns": self.t0_ns})
        self._timers.append(
            gevent.spawn_later(
                lead_s + self._deadline_s, self._end, f"{self._deadline_s:g} s after T0 (drain.deadline_s)"
            )
        )

    def _end(self, why: str) -> None:
        if not self._ended:
            self._ended = True
            self._on_end(why)
