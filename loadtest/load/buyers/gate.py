"""The gate: buyers wait at a barrier and send at one T0, in one process or in many.

Each process has a `Gate` that counts its own buyers and reports the counts to the leader (the master, or the only
process there is) as Locust messages. The `Leader` broadcasts T0 once every buyer has reached a gate; Locust's
``spawning_complete`` would be too early, since no buyer need have run a line by then. T0 is a time of the leader's clock; each
process converts it to its own: see `loadtest.load.crew.clock`.
"""

import gc
import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import gevent
from gevent.event import Event

from loadtest.load.crew.clock import Clock
from loadtest.load.now import now_ns

COUNT = "gate_count"
T0 = "gate_t0"
REPORT_S = 0.02
LEAD_S = 0.3
# T0 is announced the further ahead the more buyers there are, so that every process knows it in time.
LEAD_S_PER_BUYER = 50e-6
# One for the announcement, the others for measuring the clocks once more while all buyers wait.
LEAD_ROUND_TRIPS = 4
# The clock offset is fixed this long before T0.
SETTLE_S = 0.03
WATCH_S = 0.5

log = logging.getLogger(__name__)


class Share(NamedTuple):
    """One process's share of the sale: Locust `users`, the `buyers` that they play, and the buy requests `planned` for those.

    With open arrivals one user plays several buyers, and `buyers` counts all that the plan gives this process, arrived or not.
    """

    users: int = 0
    buyers: int = 0
    planned: int = 0


@dataclass(frozen=True, slots=True)
class Count:
    """The report of one process: its `Share`, how many of its users have `arrived` at the gate and how many are `done`, whether it
    knows T0, its clock (see `loadtest.load.crew.clock`), and whether it `ships` what it records to the master."""

    arrived: int = 0
    done: int = 0
    users: int = 0
    buyers: int = 0
    planned: int = 0
    knows_t0: bool = False
    clock_ready: bool = True
    offset_ns: int = 0
    uncertainty_ns: int = 0
    ships: bool = False


class Gate:
    """The barrier of one process. It opens once, and stays open for buyers who come late.

    `t0_ns` is T0 by this process's own clock, in nanoseconds since the epoch. `given` returns the process's share so far.
    """

    def __init__(
        self,
        runner: Any,
        clock: Clock | None = None,
        given: Callable[[], Share] = Share,
        ships: bool = False,
    ) -> None:
        self.arrived = 0
        self.done = 0
        self.t0_ns: int | None = None
        self.clock = clock or Clock()
        self.given = given
        self._ships = ships
        self._runner = runner
        self._announced = Event()
        self._opened = Event()
        self._report_due = False
        self._closed = False
        self._releaser: Any = None

    @property
    def waiting(self) -> int:
        """How many buyers wait at the closed gate."""
        return 0 if self._opened.is_set() else self.arrived

    def wait(self) -> int:
        """Counts one more buyer, waits for T0 without spinning, and returns it in nanoseconds."""
        self.arrive()
        return self.watch()

    def arrive(self) -> None:
        """Counts one more buyer as waiting at the gate."""
        self.arrived += 1
        self._report_soon()

    def watch(self) -> int:
        """Waits for T0 without counting a buyer, and returns it in nanoseconds. For each click of a buyer who has arrived."""
        self._opened.wait()
        assert self.t0_ns is not None
        return self.t0_ns

    def announced(self) -> int:
        """Waits until T0 is final, SETTLE_S before it, and returns it in nanoseconds."""
        self._announced.wait()
        assert self.t0_ns is not None
        return self.t0_ns

    def opens_before(self, moment_ns: int) -> bool:
        """Waits until `moment_ns`, or until the gate opens if that is sooner. Returns whether the gate is open."""
        return bool(self._opened.wait(max(0.0, (moment_ns - now_ns()) / 1e9)))

    def leave(self) -> None:
        """Counts one more user as done."""
        self.done += 1
        self._report_soon()

    def open_at(self, t0_ns: int) -> None:
        """Has the gate open at `t0_ns` of the leader's clock. A second call does nothing."""
        if self.t0_ns is None:
            self.t0_ns = self.clock.here_ns(t0_ns)
            self._releaser = gevent.spawn(self._release, t0_ns)

    def close(self) -> None:
        """Ends the sale for this gate: a gate that is still closed stays closed."""
        self._closed = True
        if self._releaser is not None:
            self._releaser.kill(block=False)

    def report(self) -> None:
        """Sends a `Count` to the leader."""
        self._report_due = False
        clock = self.clock
        count = Count(
            self.arrived, self.done, *self.given(), self.t0_ns is not None,
            clock.ready, clock.offset_ns, clock.uncertainty_ns, self._ships,
        )  # fmt: skip
        self._runner.send_message(COUNT, asdict(count))
        if not count.clock_ready and not self._closed:  # the leader waits for the clock, arrivals or not
            self._report_soon()

    def _release(self, t0_ns: int) -> None:
        # Freezes the waiting buyers, so that no garbage collection walks them while they send.
        gc.freeze()
        self.clock.hurry()
        gevent.sleep(max(0.0, (t0_ns - self.clock.now_ns()) / 1e9 - SETTLE_S))
        self.clock.freeze()
        self.t0_ns = here_ns = self.clock.here_ns(t0_ns)
        self._announced.set()
        self.report()
        while (left_ns := here_ns - now_ns()) > 0:
            gevent.sleep(left_ns / 1e9)
        self._opened.set()

    def _report_soon(self) -> None:
        """Reports within REPORT_S, in one message for all buyers who come until then."""
        if not self._report_due:
            self._report_due = True
            gevent.spawn_later(REPORT_S, self.report)


class Leader:
    """Sets T0, and notices when the last buyer is done.

    `on_t0` is called with T0 in nanoseconds before it is broadcast. `on_end` is called once, with the reason: every buyer of the
    live processes is done, or T0 was `deadline_s` ago. `is_gone` says whether the process of a Locust node has died; its buyers
    are not waited for.

    `buyers` is their total where a LoadTestShape changes Locust's number of users during the run. With `at_once` false, buyers do
    not wait for each other: T0 is set when the first arrives.
    """

    def __init__(
        self,
        runner: Any,
        gather_s: float,
        deadline_s: float,
        on_t0: Callable[[int], None],
        on_end: Callable[[str], None],
        is_gone: Callable[[str], bool] = lambda _: False,
        buyers: int | None = None,
        at_once: bool = True,
    ) -> None:
        self.t0_ns: int | None = None
        self.counts: dict[str, Count] = {}
        self._runner = runner
        self._gather_s = gather_s
        self._deadline_s = deadline_s
        self._on_t0 = on_t0
        self._on_end = on_end
        self._is_gone = is_gone
        self._buyers = buyers
        self._at_once = at_once
        self._timers: list[Any] = [gevent.spawn(self._watch)]
        self._ended = False

    def spawned(self) -> None:
        """Starts the time-out `gather_s` within which all buyers must reach the gate: Locust has spawned them."""
        if self.t0_ns is None:
            self._timers.append(gevent.spawn_later(self._gather_s, self._give_up))

    def count(self, node: str, report: Mapping[str, Any]) -> None:
        """Takes in the report of one process, the fields of a `Count`."""
        self.counts[node] = count = Count(**report)
        if self.t0_ns is not None and not count.knows_t0:
            self._runner.send_message(T0, {"t0_ns": self.t0_ns})
        self._look()

    def close(self) -> None:
        """Stops the timers; `on_end` is not called any more."""
        self._ended = True
        for timer in self._timers:
            timer.kill(block=False)

    def _look(self) -> None:
        """Announces T0, or the end, once its condition holds. Users of a process that died count as arrived and done."""
        if self._ended:
            return
        gone = [node for node in self.counts if self._is_gone(node)]
        given_up = sum(self.counts[node].users for node in gone)
        living = [count for node, count in self.counts.items() if node not in gone]
        if self.t0_ns is None:
            arrived = given_up + sum(count.arrived for count in living)
            if arrived >= (self._expected() if self._at_once else 1) and all(count.clock_ready for count in living):
                self._announce()
        elif given_up + sum(count.done for count in living) >= self._expected():
            self._end("every buyer has an answer" + (f"; {len(gone)} of the generators died" if gone else ""))

    def _watch(self) -> None:
        while True:
            gevent.sleep(WATCH_S)
            self._look()

    def _sum_arrived(self) -> int:
        return sum(count.arrived for count in self.counts.values())

    def _expected(self) -> int:
        return self._buyers or max(1, int(self._runner.target_user_count))

    def _give_up(self) -> None:
        if self.t0_ns is None:
            log.warning(
                "%d of %d buyers reached the gate in %g s (arrivals.gather_s, and the time to log in); the sale starts with those",
                self._sum_arrived(), self._expected(), self._gather_s,
            )  # fmt: skip
            self._announce()

    def _announce(self) -> None:
        slowest_s = max((2 * count.uncertainty_ns for count in self.counts.values()), default=0) / 1e9
        lead_s = LEAD_S + LEAD_S_PER_BUYER * self._sum_arrived() + LEAD_ROUND_TRIPS * slowest_s
        self.t0_ns = now_ns() + int(lead_s * 1e9)
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
