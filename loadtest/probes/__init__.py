"""Probes: what is read of each service while a run goes on, by the sampler, on one clock."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Protocol

from loadtest.manifest.shop import Final, Queue
from loadtest.stack import Services

Reading = Mapping[str, float]

SELDOM = 5  # what costs more than a fraction of a millisecond is read at one tick in so many


class Probe(Protocol):
    """Reads one service. An error of any kind leaves a gap in the samples, and the next reading tries anew."""

    def read(self) -> Reading:
        """Metric → value, now. Counters are given as they stand; whoever plots them takes differences."""

    def close(self) -> None:
        """Give connections back."""


def seldom() -> Iterator[bool]:
    """For each tick whether it is one of those: the first is."""
    return cycle([True] + [False] * (SELDOM - 1))


@dataclass(frozen=True)
class Subject:
    """What the probes look at."""

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
