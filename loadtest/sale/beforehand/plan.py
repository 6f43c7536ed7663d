"""A plan: one run, checked as far as it can be without starting anything."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path

from loadtest.errors import UsageError
from loadtest.experiment.arrivals import connections, plan_arrivals
from loadtest.experiment.files import find_file
from loadtest.experiment.schema import Experiment
from loadtest.experiment.traffic import Crowd
from loadtest.faults.schedule import check_faults
from loadtest.judge.thresholds import parse_threshold
from loadtest.ledger.databases import dialect_of
from loadtest.manifest.loading import load_shop
from loadtest.manifest.shop import Shop
from loadtest.sale.beforehand.admission import beside, check_buyers
from loadtest.sale.beforehand.batch import check_batch
from loadtest.sale.beforehand.fleet import Fleet
from loadtest.sale.beforehand.given_broker import check_broker
from loadtest.stack import Services
from loadtest.stack.external import Given, open_services
from loadtest.stack.open_files import make_room
from loadtest.stack.process import Supervisor
from loadtest.stack.shop_stack import MYSQL_UNKNOWN_YET, UNKNOWN_YET, on_free_port
from loadtest.stack.whereabouts import uses_postgres


@dataclass(frozen=True)
class Plan:
    """What one run is to do. `offsets_ns`: when each buyer is due, in nanoseconds after T0, where arrivals are open."""

    experiment: Experiment
    shop: Shop
    shop_file: Path
    scenario: Path
    given: Given
    offsets_ns: Sequence[int]
    fleet: Fleet = field(default_factory=Fleet)

    @property
    def crowd(self) -> Crowd:
        """Who the buyers are."""
        return Crowd(self.experiment.traffic, self.experiment.buyers, self.experiment.seed)

    @property
    def steps_s(self) -> float:
        """Seconds that it takes until all buyers at the gate have begun what they do before T0, such as logging in."""
        return self.shop.http.steps_s(connections(self.experiment, self.offsets_ns))

    @property
    def buyers_file(self) -> Path | None:
        """The file of users, where the manifest names one."""
        return beside(self.shop_file, self.shop.buyers)

    @property
    def connections_at_one(self) -> int:
        """The most that one process on this machine is to hold: the shop holds all, a generator its share."""
        everyones = connections(self.experiment, self.offsets_ns) + self.crowd.further_connections
        if self.shop.process:
            return everyones
        return 0 if self.fleet.workers else -(-everyones // self.fleet.processes)

    def services(self, supervisor: Supervisor) -> AbstractContextManager[Services]:
        """The services that it needs, given or embedded, while the context lasts. A Postgres that nobody names is not started."""
        return open_services(self.given, supervisor, [self.experiment.broker.kind], uses_postgres(self.shop))


def plan(experiment: Experiment, given: Given, fleet: Fleet = Fleet()) -> Plan:  # noqa: B008 (frozen)
    """Check everything that can be checked beforehand.

    Raises:
        UsageError: a file is missing, the manifest and the experiment disagree, a threshold or the arrivals are wrong, a given
            service does not answer or is not marked as a test sale, a file of users has too few, buyers come faster than
            they can log in, or there may not be as many connections as buyers need.
    """
    shop, shop_file = load_shop(experiment)
    _check_stack(experiment, shop, shop_file.parent, given)
    for expression in experiment.thresholds:
        parse_threshold(expression)
    check_faults(experiment.faults, shop, experiment.dispatch)
    check_batch(experiment, shop)
    check_broker(experiment, shop, given)
    scenario = find_file(experiment.scenario)
    fleet.check()
    offsets_ns = plan_arrivals(experiment)
    check_buyers(experiment, shop, shop_file, offsets_ns, fleet.workers or fleet.processes)
    given.check()
    planned = Plan(experiment, shop, shop_file, scenario, given, offsets_ns, fleet)
    needed = planned.connections_at_one
    if needed > (room := make_room(needed)):
        raise UsageError(
            f"buyers = {experiment.buyers}: expected room for {needed:,} connections in one process, found room for {room:,}; "
            "set fewer buyers, or raise the hard limit of open files (ulimit -Hn)"
        )
    return planned


def _check_stack(experiment: Experiment, shop: Shop, here: Path, given: Given) -> None:
    """Fill every placeholder of the manifest once, and look at the kind of its database."""
    services = replace(UNKNOWN_YET, mysql=MYSQL_UNKNOWN_YET if given.mysql else "")
    stack = on_free_port(experiment, shop, services, here)
    stack.check()
    truth = stack.whereabouts.fill(shop.truth.url, "truth.url")
    dialect_of(truth).connect(truth).dispose()  # nothing is connected before it is asked
