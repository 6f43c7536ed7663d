"""What the buyers of one process share during one sale, and which buyer is next."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Any, NamedTuple

from gevent.lock import BoundedSemaphore

from loadtest.errors import HarnessError
from loadtest.experiment.schema import Experiment
from loadtest.experiment.traffic import Crowd
from loadtest.load.buyers.first_answers import FirstAnswers
from loadtest.load.buyers.gate import Gate, Share
from loadtest.load.buyers.recorder import Recorder
from loadtest.load.buyers.script import Script
from loadtest.load.http.endpoint import Endpoint
from loadtest.load.now import now_ns
from loadtest.manifest.http import Http
from loadtest.talk.roster import Roster

# At most so many buyers of one process connect at the same time: a listener's backlog is often 128.
CONNECTING = 100
# An open arrival that is this late, for want of a free connection, is dropped: counted, but not sent.
PATIENCE_NS = 1_000_000_000


class Turn(NamedTuple):
    """The next buyer: their ordinal among the buyers of all processes (from 0), and nanoseconds after T0."""

    ordinal: int
    offset_ns: int


@dataclass(slots=True)
class Sale:
    """What the buyers of one process share during one sale.

    `offsets_ns` is the whole plan of open arrivals, in nanoseconds after T0. `planned` counts the buy requests that this process's
    buyers are to send. `followed` has the request for the state of each order that is being polled.
    """

    name: str
    http: Http
    where: Endpoint
    experiment: Experiment
    gate: Gate
    offsets_ns: Sequence[int]
    crowd: Crowd
    roster: Roster
    process: int = 0
    processes: int = 1
    recorder: Recorder | None = None
    first_answers: FirstAnswers = field(default_factory=FirstAnswers)
    sent: int = 0
    answered: int = 0
    dropped: int = 0
    turns: int = 0
    users: int = 0
    planned: int = 0
    followed: set[str] = field(default_factory=set)
    connecting: Any = field(default_factory=lambda: BoundedSemaphore(CONNECTING))
    script: Script = field(init=False)
    _begun_ns: int = 0
    _network: Any = None

    def __post_init__(self) -> None:
        """Compiles the manifest's requests and rules, and counts the requests of an open plan, which is known beforehand."""
        self.script = Script(self.http, self.name)
        if self.http.source_addresses:
            self._network = ip_network(self.http.source_addresses)
        if self.experiment.arrivals.open:
            self.planned = sum(self.crowd.persona(ordinal).clicks for ordinal in self._own)

    @property
    def share(self) -> Share:
        """How many users, buyers and buy requests this process has been given so far."""
        return Share(self.users, len(self._own) if self.experiment.arrivals.open else self.turns, self.planned)

    def next_turn(self) -> Turn | None:
        """The next buyer of this process. With open arrivals, None once the plan is used up; otherwise there is always one more.

        An open arrival that is more than PATIENCE_NS late is dropped and counted.
        """
        while self._next_ordinal() < len(self.offsets_ns) or not self.experiment.arrivals.open:
            ordinal = self._next_ordinal()
            self.turns += 1
            if not self.experiment.arrivals.open:
                return Turn(ordinal, 0)
            offset_ns = self.offsets_ns[ordinal]
            if self.gate.t0_ns is None or now_ns() - self.gate.t0_ns - offset_ns <= PATIENCE_NS:
                return Turn(ordinal, offset_ns)
            self.dropped += 1
        return None

    def next_begin_ns(self) -> int:
        """When the next buyer may begin the steps before the purchase: all processes together begin `pace_per_s`."""
        self._begun_ns = max(self._begun_ns + int(1e9 * self.processes / self.http.pace_per_s), now_ns())
        return self._begun_ns

    def source(self, ordinal: int) -> str | None:
        """The address from which buyer number `ordinal` connects; None: whichever the machine takes."""
        if self._network is None:
            return None
        # Neither the first nor the last: they stand for the network, and for everybody in it.
        usable = self._network.num_addresses - 2
        return str(self._network[1 + ordinal % usable] if usable > 0 else self._network[0])

    @property
    def _own(self) -> range:
        """The ordinals of an open plan that fall to this process: every `processes`-th."""
        return range(self.process, len(self.offsets_ns), self.processes)

    def _next_ordinal(self) -> int:
        """The ordinal of this process's next buyer: processes take turns."""
        return self.turns * self.processes + self.process


def sale_of(environment: Any) -> Sale:
    """The sale that runs in Locust's `environment`.

    Raises:
        HarnessError: there is none, because the plug-in is not installed.
    """
    sale = getattr(environment, "sale", None)
    if not isinstance(sale, Sale):
        raise HarnessError("a Buyer without a sale: the scenario must call loadtest.load.plugin.install(locust.events)")
    return sale
