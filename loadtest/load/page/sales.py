"""The sales of the web page, as Locust's process sees them: the harness prepares and judges them, their buyers run here."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gevent

from loadtest.errors import HarnessError, UsageError
from loadtest.record.generators import BUYERS_EACH
from loadtest.sale.desk import LOAD_PHASES, Desk, State, Wish

POLL_S = 0.1

log = logging.getLogger(__name__)


class Sales:
    """Asks the harness for each sale before its buyers come, and tells it when they are gone.

    Locust starts a test at once; its ``test_start`` listener therefore waits in `prepare` until services and shop are ready.
    """

    def __init__(self, desk: Desk, environment: Any, runner: Any) -> None:
        self.desk = desk
        self.offers = desk.offers()
        self.values = self.offers.values
        self._wanted: dict[str, Any] = {}
        self._environment = environment
        self._runner = runner
        self._number = 0
        self._watch: Any = None

    @property
    def idle(self) -> bool:
        """Whether another sale may begin."""
        state = self.desk.state()
        return state.number == self._number and state.over and self._watch is None

    def start(self, values: Mapping[str, Any]) -> None:
        """Begins a sale with the values of the last one, replaced by `values` where given.

        Raises:
            UsageError: `buyers` is not a whole number from 1 to BUYERS_EACH.
            HarnessError: a sale is under way.
        """
        if not self.idle:
            raise HarnessError("a sale is under way; wait for its verdict")
        buyers = values.get("buyers", self.values["buyers"])
        if type(buyers) is not int or not 1 <= buyers <= BUYERS_EACH:
            raise UsageError(f"buyers = {buyers!r:.60}: expected a whole number of them, from 1 to {BUYERS_EACH:,}")
        self._wanted = dict(values)
        self._runner.start(buyers, buyers)

    def stop(self) -> None:
        """Stops the buyers, or the wait for the harness if they have not started."""
        if self._watch is not None:
            self._runner.stop()
        elif not self.idle:
            # Runner.stop() does nothing before Locust's runner has started; the greenlet to end is the one that waits in `prepare`.
            self._runner.spawning_greenlet.kill()

    def prepare(self) -> None:
        """Has the harness prepare a sale, waits until it is ready, and sets Locust's host and ``--run-dir`` accordingly.

        Raises:
            GreenletExit: there will be no sale. Locust logs any other exception of a listener, and spawns its users all the same.
        """
        if not self.idle:
            log.error("a sale is under way; wait for its verdict")
            raise gevent.GreenletExit
        # Locust's own form sets the number of buyers by its number of users.
        values = {**self.values, **self._wanted, "buyers": int(self._runner.target_user_count)}
        self._wanted = {}
        self._number += 1
        self.desk.ask(Wish(self._number, values))
        try:
            state = self._wait_ready()
        except gevent.GreenletExit:
            self.desk.buyers_gone(self._number)
            raise
        if state.phase not in LOAD_PHASES or state.base_url is None:
            log.error("no sale: %s", state.error or "it was ended before it began")
            self.desk.buyers_gone(self._number)
            raise gevent.GreenletExit
        self.values = values
        self._environment.host = state.base_url
        self._environment.parsed_options.run_dir = state.run_dir
        self._watch = gevent.spawn(self._stop_when_told)

    def give_up(self) -> None:
        """Gives up a sale that was prepared but cannot start.

        Raises:
            GreenletExit: always, for the reason that `prepare` has.
        """
        self.gone()
        raise gevent.GreenletExit

    def gone(self) -> None:
        """Tells the harness that the buyers are gone and their files closed."""
        if self._watch is not None:
            self._watch.kill(block=False)
            self._watch = None
            self.desk.buyers_gone(self._number)

    @property
    def under_way(self) -> Path | None:
        """The run directory of the sale whose buyers are running; None if there is none."""
        return self.run_dir if self._watch is not None else None

    @property
    def run_dir(self) -> Path | None:
        """The run directory of the newest sale, also when that is over; None before the first."""
        run_dir = self.desk.state().run_dir
        return Path(run_dir) if run_dir else None

    def _wait_ready(self) -> State:
        while True:
            state = self.desk.state()
            if state.number == self._number and state.phase != "preparing":
                return state
            gevent.sleep(POLL_S)

    def _stop_when_told(self) -> None:
        while self.desk.state().phase in LOAD_PHASES:
            gevent.sleep(POLL_S)
        # In another greenlet: stopping the runner kills this one.
        gevent.spawn(self._runner.stop)
