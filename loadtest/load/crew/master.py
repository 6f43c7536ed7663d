"""The master's side of a sale with several generators: what each worker was given and has delivered, and whether it is alive."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

import gevent
from locust.runners import STATE_MISSING

from loadtest.load.buyers.gate import Count
from loadtest.load.crew.clock import CLOCK
from loadtest.load.crew.handout import HANDOUT, Place, hand_out
from loadtest.load.crew.shipping import DELIVERED, PIECE, RECEIVED, Copy
from loadtest.load.now import now_ns
from loadtest.load.options import Setup
from loadtest.record.generators import Generator, write_generators
from loadtest.talk.roster import read_roster

END = "gate_end"
# When no worker has delivered anything for so long, the master stops waiting for the rest.
QUIET_S = 5.0

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Member:
    """One worker of a sale. `copies` are the master's copies of its shards, by kind."""

    place: Place
    copies: dict[str, Copy] = field(default_factory=dict)
    delivered: bool = False


class Crew:
    """The workers of each sale, one sale after another."""

    def __init__(self, runner: Any) -> None:
        self._runner = runner
        self._members: dict[str, Member] = {}
        self._run_dir: Path | None = None
        self._heard = 0.0
        self._collecting: Any = None
        runner.register_message(CLOCK, self.on_clock)
        runner.register_message(PIECE, self.on_piece)
        runner.register_message(DELIVERED, self.on_delivered)

    def begin(self, setup: Setup, offsets_ns: Sequence[int] | None = None) -> None:
        """Hands the sale out to every connected worker: to each its share of the users that the manifest names, and all of `offsets_ns` where a worker could not plan the arrivals itself.

        Places are given in the order in which the workers connected.
        """
        self._run_dir = setup.run_dir
        self._collecting = None
        here = [client.id for client in self._runner.clients.all if client.state != STATE_MISSING]
        nodes = sorted(here, key=self._runner.get_worker_index)
        self._members = {node: Member(Place(process, len(nodes))) for process, node in enumerate(nodes)}
        roster = read_roster(setup.shop.buyers, setup.buyers_file, setup.experiment, max(1, len(nodes)))
        for node, member in self._members.items():
            self._runner.send_message(HANDOUT, hand_out(setup, member.place, roster, offsets_ns), client_id=node)

    def hold(self) -> None:
        """Keeps Locust from respawning the buyers of a dead worker elsewhere, and from moving buyers to a late worker.

        Call it once all buyers are spawned.
        """
        self._runner._users_dispatcher = None  # noqa: SLF001 (there is no option for it)

    def is_gone(self, node: str) -> bool:
        """Whether the worker `node` has died or disconnected."""
        client = self._runner.clients.get(node)
        return client is None or client.state == STATE_MISSING

    def write(self, counts: Mapping[str, Count]) -> None:
        """Writes ``generators.json``: at T0 what each generator is to send, at the end also whether its history is whole."""
        if self._run_dir:
            write_generators(self._run_dir, [_generator(m, counts.get(node)) for node, m in self._members.items()])

    def collect(self) -> None:
        """Ends the sale at every worker, and waits until each live one has delivered. Further calls wait for the same end."""
        self._collecting = self._collecting or gevent.spawn(self._collect)
        self._collecting.join()

    # Messages from workers.

    def on_clock(self, msg: Any, **_: Any) -> None:
        """Answers a worker with the master's time."""
        answer = {"sent_ns": msg.data["sent_ns"], "there_ns": now_ns()}
        self._runner.send_message(CLOCK, answer, client_id=msg.node_id)

    def on_piece(self, msg: Any, **_: Any) -> None:
        """Adds a piece to the copy of a worker's shard, and acknowledges what the copy has."""
        member, kind = self._members.get(msg.node_id), msg.data["kind"]
        if member is None or self._run_dir is None:
            return
        self._heard = monotonic()
        if kind not in member.copies:
            member.copies[kind] = Copy(member.place.shards(self._run_dir)[kind])
        received = member.copies[kind].take(msg.data["at"], msg.data["lines"])
        self._runner.send_message(RECEIVED, {"kind": kind, "received": received}, client_id=msg.node_id)

    def on_delivered(self, msg: Any, **_: Any) -> None:
        """Notes that a worker has delivered everything."""
        if member := self._members.get(msg.node_id):
            self._heard = monotonic()
            member.delivered = True

    def _collect(self) -> None:
        self._heard = monotonic()
        for node in self._members:
            self._runner.send_message(END, client_id=node)
        while waited_for := [n for n, m in self._members.items() if not m.delivered and not self.is_gone(n)]:
            if monotonic() - self._heard > QUIET_S:
                log.warning("%d generators are silent: what they have not delivered is lost", len(waited_for))
                break
            gevent.sleep(0.02)
        for member in self._members.values():
            for copy in member.copies.values():
                copy.close()


def _generator(member: Member, count: Count | None) -> Generator:
    count = count or Count(ships=True)
    return Generator(
        member.place.name, member.place.process, count.buyers, count.planned,
        member.delivered or not count.ships, count.offset_ns, count.uncertainty_ns, member.place.processes,
    )  # fmt: skip
