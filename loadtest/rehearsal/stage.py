"""The stage of a rehearsal: services, the shop on them, prepared and ready, and whoever reads its stores. Leaving it stops everything."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from loadtest.experiment.schema import Experiment
from loadtest.ledger.final_reads import Ledger
from loadtest.ledger.queue import QueueReader, open_queue
from loadtest.ledger.sources import Reader
from loadtest.manifest.shop import Shop
from loadtest.record.run_dir import make_parts
from loadtest.rehearsal.telling import Telling
from loadtest.sale.leftovers import Leftovers
from loadtest.sale.tidying import Tidying, scratch_of
from loadtest.stack import Services
from loadtest.stack.external import Given, open_services
from loadtest.stack.process import Supervisor
from loadtest.stack.shop_stack import ShopProcesses, ShopStack, on_free_port


@dataclass(frozen=True)
class Stage:
    """A shop that is ready."""

    shop_stack: ShopStack
    reader: Reader
    ledger: Ledger
    queue: QueueReader | None
    processes: ShopProcesses


@contextmanager
def services_of(experiment: Experiment, given: Given, telling: Telling) -> Iterator[tuple[Services, Supervisor, Path]]:
    """The services, whoever supervises processes, and a folder for logs that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="loadtest-check-") as folder:
        run_dir = make_parts(Path(folder))
        with Supervisor(run_dir.logs, journal=run_dir.processes) as supervisor:
            begun = time.monotonic()
            with open_services(given, supervisor, [experiment.broker.kind]) as services:
                own = [name for name, url in (("Postgres", given.postgres), ("Redis", given.redis)) if not url]
                there = " and ".join(own) + " embedded" if own else "as given"
                telling.good("services", there, _took(begun))
                yield services, supervisor, Path(folder)


@contextmanager
def stage(
    experiment: Experiment,
    shop: Shop,
    shop_file: Path,
    services: Services,
    supervisor: Supervisor,
    folder: Path,
    telling: Telling,
) -> Iterator[Stage]:
    """The shop, prepared and ready.

    Raises:
        UsageError, ServiceError: it does not come to that; the message says why, with the end of the log.
    """
    with ExitStack() as stack:
        scratch = stack.enter_context(scratch_of(supervisor))
        shop_stack = on_free_port(experiment, shop, services, shop_file.parent, scratch)
        truth = shop_stack.whereabouts.fill(shop.truth.url, "truth.url")
        reader = stack.enter_context(
            closing(Reader(services, shop.sale, experiment.stock, truth, shop_stack.whereabouts))
        )
        queue = stack.enter_context(closing(open_queue(services, shop.queue))) if shop.queue else None
        run_dir = make_parts(folder)
        ledger = Ledger(shop.final_for(experiment.scheme), reader, queue, run_dir)
        shop_stack.refuse_taken()
        tidying = Tidying(shop_stack, supervisor, run_dir)
        stack.callback(tidying.once)
        begun = time.monotonic()
        shop_stack.prepare(supervisor)
        if any(each.after is None for each in shop.prepare):
            telling.good("prepare", "done", _took(begun))
        leftovers = Leftovers(experiment, shop, services.broker, queue, shop_stack.prepared_late)
        leftovers.before()
        begun = time.monotonic()
        processes = stack.enter_context(shop_stack.processes(supervisor))
        stack.callback(tidying.once)
        if shop.process:
            telling.good(
                ", ".join(each.role for each in shop.process if processes.of(each.role)), "ready", _took(begun)
            )
        else:
            telling.grey("processes", "the manifest starts none: the shop is taken as it runs")
        leftovers.after()
        if queue:
            telling.good(
                f"[queue] {queue.place}", "is heard" if shop.queue and shop.queue.kind != "command" else "can be asked"
            )
        ledger.check()
        named = [name for name in type(ledger.final).model_fields if getattr(ledger.final, name)]
        telling.good(f"[final] {', '.join(named)}", "can be read")
        yield Stage(shop_stack, reader, ledger, queue, processes)


def _took(begun: float) -> str:
    return f"{time.monotonic() - begun:.1f} s"
