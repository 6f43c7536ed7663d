"""Probes: what the sampler reads of each service and process during a run, by one clock.

One probe a file, each a class with the two methods of `Probe`; `sampler` is the process that runs them. Not here: the final
reads after the drain (`loadtest.ledger`), and any judgement of the samples (`loadtest.judge`). A probe must cost little and
change nothing in what it reads. Read first: `Probe`, then `sampler.sample`; the smallest member is `broker`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Protocol

from loadtest.manifest.final import Final
from loadtest.manifest.order_queue import Queue
from loadtest.stack import Services

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
    processes started, ``processes.jsonl``.
    """

    services: Services
    sale: str
    stock: int
    final: Final
    queue: Queue | None
    processes: Path


def probes() -> dict[str, Callable[[Subject], Probe]]:
    """Every probe by its name in the samples."""
    from loadtest.probes.broker import BrokerProbe
    from loadtest.probes.postgres import PostgresProbe
    from loadtest.probes.processes import ProcessesProbe
    from loadtest.probes.redis import RedisProbe

    return {
        "postgres": PostgresProbe,
        "redis": RedisProbe,
        "broker": BrokerProbe,
        "processes": ProcessesProbe,
    }
