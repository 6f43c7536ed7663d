"""The worker's side of a sale with several generators: takes the sale from the master, measures its clock, delivers its shards."""

import logging
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import gevent

from loadtest.load.crew.clock import CLOCK, Clock, MeasuredClock
from loadtest.load.crew.handout import HANDOUT, Place, take, take_roster
from loadtest.load.crew.master import END
from loadtest.load.crew.shipping import DELIVERED, RECEIVED, Shipper
from loadtest.load.options import Setup
from loadtest.talk.roster import Roster

# A worker stops delivering when its master has been silent for so long.
SILENT_S = 10.0

log = logging.getLogger(__name__)


class Worker:
    """One worker, through one sale after another. `ships`: it cannot reach the run directory and sends its shards to the master."""

    def __init__(self, environment: Any, runner: Any) -> None:
        self.clock: Clock = Clock()
        self.ships = False
        self.offsets_ns: Sequence[int] | None = None
        self.roster: Roster | None = None
        self._environment = environment
        self._runner = runner
        self._handout: Any = None
        self._own: Path | None = None
        self._shipper: Shipper | None = None
        self._delivering: Any = None
        self._sells = False
        runner.register_message(HANDOUT, self.on_handout)
        runner.register_message(CLOCK, self.on_clock)
        runner.register_message(RECEIVED, self.on_received)
        runner.register_message(END, self.on_end)

    def begin(self) -> tuple[Setup, Place]:
        """The sale, and this process's place in it. If the run directory is out of reach, a temporary one takes its place.

        Raises:
            HarnessError: the master has not handed out a sale.
        """
        setup, place = take(self._handout, self._environment.parsed_options, self._environment.host)
        self.offsets_ns = self._handout["offsets_ns"]
        self.roster = take_roster(self._handout, setup, place)
        self.ships = self._handout["run_dir"] is not None and setup.run_dir is None
        self._sells, self._shipper = True, None
        self.clock = MeasuredClock(self._runner)
        if self.ships:
            self._own = self._own or Path(tempfile.mkdtemp(prefix="loadtest-generator-"))
            setup = replace(setup, run_dir=self._own)
            shards = place.shards(self._own)
            for shard in shards.values():
                shard.parent.mkdir(exist_ok=True)
            self._shipper = Shipper(self._runner, shards)
        return setup, place

    def end(self) -> None:
        """Starts to deliver what is left, in a greenlet. The shards must be closed."""
        self.clock.close()
        if self._sells:
            self._sells = False
            self._delivering = gevent.spawn(self._deliver)

    def wait(self) -> None:
        """Waits until all is delivered, or the master has been silent too long. Deletes the temporary directory if all was."""
        if self._delivering is not None:
            self._delivering.join()
        if self._own is not None and self._shipper is None:
            shutil.rmtree(self._own, ignore_errors=True)

    # Messages from the master.

    def on_handout(self, msg: Any, **_: Any) -> None:
        """Keeps the sale that is about to begin, for `begin`."""
        self._handout = msg.data

    def on_clock(self, msg: Any, **_: Any) -> None:
        """Takes in the master's time, which this process asked for."""
        if isinstance(self.clock, MeasuredClock):
            self.clock.answered(msg.data["sent_ns"], msg.data["there_ns"])

    def on_received(self, msg: Any, **_: Any) -> None:
        """Takes in how many bytes of a shard the master has."""
        if self._shipper:
            self._shipper.acknowledged(msg.data["kind"], msg.data["received"])

    def on_end(self, **_: Any) -> None:
        """Stops the buyers, in a greenlet of its own: the one that receives messages is needed for the acknowledgements."""
        gevent.spawn(self._runner.stop)

    def _deliver(self) -> None:
        if self._shipper and not self._shipper.finish(SILENT_S):
            log.error("the master did not take the whole history; what there is stays in %s", self._own)
            return
        self._shipper = None
        self._runner.send_message(DELIVERED)
