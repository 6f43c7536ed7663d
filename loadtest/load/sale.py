"""What the buyers of one process share while one test runs, and who is next."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from time import time_ns
from typing import Any, NamedTuple

from gevent.lock import BoundedSemaphore

from loadtest.errors import HarnessError
from loadtest.experiment.schema import Experiment
from loadtest.experiment.traffic import Crowd
from loadtest.load.buyers.gate import Gate, Share
from loadtest.load.buyers.recorder import Recorder
from loadtest.load.http.endpoint import Endpoint
from loadtest.manifest.shop import Http
from loadtest.record.generators import own_name

# Buyers of one process that open their connections at the same time: a listener's backlog is often 128.
CONNECTING = 100
# An arrival for which no connection was free for so long is dropped: it is not sent, and counted.
PATIENCE_NS = 1_000_000_000


class Turn(NamedTuple):
    """One buyer who is to come: a name, an ordinal among those of all processes, from 0, and nanoseconds after T0."""

    name: str
    ordinal: int
    offset_ns: int


@dataclass(slots=True)
class Sale:
    """What the buyers of one process share while one test runs. `planned` counts the buy requests that are to come of them."""

    name: str
    http: Http
    where: Endpoint
    experiment: Experiment
    gate: Gate
    offsets_ns: Sequence[int]
    crowd: Crowd
    process: int = 0
    processes: int = 1
    recorder: Recorder | None = None
    sent: int = 0
    answered: int = 0
    dropped: int = 0
    turns: int = 0
    users: int = 0
    planned: int = 0
    followed: set[tuple[str, str]] = field(default_factory=set)
    connecting: Any = field(default_factory=lambda: BoundedSemaphore(CONNECTING))

    def __post_init__(self) -> None:
        """The share of an open plan is known before anybody comes."""
        if self.experiment.arrivals.open:
            self.planned = sum(self.crowd.persona(ordinal).clicks for ordinal in self._own)

    @property
    def share(self) -> Share:
        """What this process was given so far."""
        return Share(self.users, len(self._own) if self.experiment.arrivals.open else self.turns, self.planned)

    def next_turn(self) -> Turn | None:
        """One more buyer. There are as many as are asked for, but with open arrivals only those of the plan."""
        while self._next_ordinal() < len(self.offsets_ns) or not self.experiment.arrivals.open:
            turn, ordinal = self.turns, self._next_ordinal()
            self.turns += 1
            if not self.experiment.arrivals.open:
                return Turn(own_name(self.process, turn), ordinal, 0)
            offset_ns = self.offsets_ns[ordinal]
            if self.gate.t0_ns is None or time_ns() - self.gate.t0_ns - offset_ns <= PATIENCE_NS:
                return Turn(own_name(self.process, turn), ordinal, offset_ns)
            self.dropped += 1
        return None

    @property
    def _own(self) -> range:
        """The ordinals of an open plan that are this process's."""
        return range(self.process, len(self.offsets_ns), self.processes)

    def _next_ordinal(self) -> int:
        """Every process takes its turn."""
        return self.turns * self.processes + self.process


def sale_of(environment: Any) -> Sale:
    """The sale of Locust's `environment`."""
    sale = getattr(environment, "sale", None)
    if not isinstance(sale, Sale):
        raise HarnessError("a Buyer without a sale: the scenario must call loadtest.load.plugin.install(locust.events)")
    return sale
