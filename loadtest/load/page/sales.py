"""The sales that this Locust holds for its web page: asked for at the desk, run here, and judged by the harness."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gevent

from loadtest.errors import HarnessError
from loadtest.sale.desk import LOAD_PHASES, Desk, State, Wish

POLL_S = 0.1

log = logging.getLogger(__name__)


class Sales:
    """Asks the harness for each sale before its buyers come, and tells it when they are gone.

    Locust starts a test as soon as somebody says so; its ``test_start`` waits here until services and shop are ready.
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
        """Begin a sale with `values` laid over those of the last one.

        Raises:
            HarnessError: one is under way, or it is not said how many buyers come.
        """
        if not self.idle:
            raise HarnessError("a sale is under way; wait for its verdict")
        buyers = values.get("buyers", self.values["buyers"])
        if not isinstance(buyers, int) or buyers < 1:
            raise HarnessError(f"buyers = {buyers!r}: expected a whole number of them, 1 or more")
        self._wanted = dict(values)
        self._runner.start(buyers, buyers)

    def stop(self) -> None:
        """Send the buyers home, or do not wait for them to come."""
        if self._watch is not None:
            self._runner.stop()
        elif not self.idle:
            # Locust's runner, not yet at work, has nothing to stop; what waits in `prepare` has.
            self._runner.spawning_greenlet.kill()

    def prepare(self) -> None:
        """Have the harness prepare a sale, and wait for it; then Locust's options say where it is.

        Raises:
            GreenletExit: there will be none. Nothing weaker keeps Locust from letting its users in.
        """
        if not self.idle:
            log.error("a sale is under way; wait for its verdict")
            raise gevent.GreenletExit
        # Who starts from Locust's own form says how many there.
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
        """The sale that was prepared cannot be held.

        Raises:
            GreenletExit: as `prepare` does.
        """
        self.gone()
        raise gevent.GreenletExit

    def gone(self) -> None:
        """The buyers are gone, and their files closed."""
        if self._watch is not None:
            self._watch.kill(block=False)
            self._watch = None
            self.desk.buyers_gone(self._number)

    @property
    def under_way(self) -> Path | None:
        """The run directory of the sale whose buyers are here."""
        return self.run_dir if self._watch is not None else None

    @property
    def run_dir(self) -> Path | None:
        """The run directory of the newest sale; it stays when that is over."""
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
        # Not from here: stopping ends this very greenlet.
        gevent.spawn(self._runner.stop)
