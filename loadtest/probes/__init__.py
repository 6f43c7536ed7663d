"""Probes: what the sampler reads of each service and process during a run, by one clock.

One probe a file, each a class with the two methods of `Probe`; `sampler` is the process that runs them. Not here: the final
reads after the drain (`loadtest.ledger`), and any judgement of the samples (`loadtest.judge`). A probe must cost little and
change nothing in what it reads. Read first: `Probe`, then `sampler.sample`; the smallest member is `truth`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Protocol

from loadtest.ledger.sources import Reader
from loadtest.manifest.final import Final, Source
from loadtest.manifest.order_queue import Queue
from loadtest.stack import Services
from loadtest.stack.whereabouts import Whereabouts

Reading = Mapping[str, float]

SELDOM = 5  # a reading that costs more than a fraction of a millisecond is taken at one tick in so many


class Probe(Protocol):
    """Reads one service. Whatever `read` raises leaves a gap in the samples, and the next tick tries again."""

    def read(self) -> Reading:
        """The present value of each metric, by name. Counters are cumulative; whoever uses them takes differences."""

    def close(self) -> None:
        """Close its connections."""


def seldom() -> Iterator[bool]:
    """An endless iterator, one value a tick: True at the first tick and at every `SELDOM`-th after it, else False."""
    return cycle([True] + [False] * (SELDOM - 1))


@dataclass(frozen=True)
class Subject:
    """What probes read: one sale of `stock` units, on these services.

    `final` and `queue` say where the shop keeps its sets and orders (None: it has no queue); `processes` is the journal of the
    processes started, ``processes.jsonl``. `truth` is the URL of the database that orders are in, `whereabouts` runs commands.
    """

    services: Services
    sale: str
    stock: int
    final: Final
    queue: Queue | None
    processes: Path
    truth: str = ""
    whereabouts: Whereabouts | None = None

    @property
    def database(self) -> str:
        """The URL of the database that orders are in; empty where a command reads them, and no set is read by SQL."""
        sets: list[Source | None] = [getattr(self.final, name) for name in type(self.final).model_fields]
        if self.final.rows.kind == "command" and not any(each and each.kind == "sql" for each in sets):
            return ""
        return self.truth or self.services.postgres

    def reader(self) -> Reader:
        """A reader of the sale's sets, with connections of its own."""
        return Reader(self.services, self.sale, self.stock, self.truth, self.whereabouts)


def probes() -> dict[str, Callable[[Subject], Probe]]:
    """Every probe by its name in the samples."""
    from loadtest.probes.broker import BrokerProbe
    from loadtest.probes.mysql import MySqlProbe
    from loadtest.probes.postgres import PostgresProbe
    from loadtest.probes.processes import ProcessesProbe
    from loadtest.probes.redis import RedisProbe
    from loadtest.probes.truth import TruthProbe

    return {
        "truth": TruthProbe,
        "postgres": PostgresProbe,
        "mysql": MySqlProbe,
        "redis": RedisProbe,
        "broker": BrokerProbe,
        "processes": ProcessesProbe,
    }
