"""Batches of 10 and 50 orders compared with single orders: what an order costs, and whether the limiter holds 1,000 a second.

The queue is filled before a worker starts, and nobody buys meanwhile.

Cost: measured over an interval in which a worker without a rate limit is saturated: transactions that wrote rows, bytes of write-ahead log, CPU
seconds of the worker's processes and of Postgres's, each per row written. Aim: each falls as the batch grows.

Rate: rows a second between the first and the last row, over the configured 1,000. Aim: 0.95 to 1.02 with batches, on Redis and on
RabbitMQ. Single orders have no aim and are shown for comparison.
"""

import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass, replace
from pathlib import Path

import psutil
import sqlalchemy as sa
from limiter import Case, await_ready, fill, measure, say, worker

from loadtest.stack import Services
from loadtest.stack.embedded import embedded
from target.__main__ import prepare
from target.config import Config
from target.stores import database

COST_ORDERS = 8_000
RATE_PER_S = 1000.0
RATE_ORDERS = 6_000
SECONDS = 3.0
RABBITMQ = "amqp://guest:guest@127.0.0.1:5672/loadtest-batching"


def main() -> None:
    with embedded() as services, tempfile.TemporaryDirectory() as logs:
        log = Path(logs) / "worker.log"
        one_by_one = cost(services, 1, log)
        print(f"{'an order':32} {'commits':>9} {'WAL bytes':>10} {'worker CPU':>11} {'Postgres CPU':>13}   all CPU")
        print_cost(1, one_by_one, one_by_one)
        for batch in (10, 50):
            print_cost(batch, cost(services, batch, log), one_by_one)
        rates("Redis", services, log)
        if not rabbitmq_is_here():
            print("RabbitMQ: none on 127.0.0.1:5672, not measured")
            return
        try:
            rates("RabbitMQ", replace(services, broker=RABBITMQ), log)
        finally:
            subprocess.run(["rabbitmqctl", "-q", "delete_vhost", RABBITMQ.rpartition("/")[2]], check=True)


def rates(name: str, services: Services, log: Path) -> None:
    """One by one, and in batches."""
    for batch in (1, 10, 50):
        case = Case("flat", RATE_PER_S, concurrency=2, prefetch=batch)
        with filled(services, case, batch, RATE_ORDERS, log) as config:
            say(f"{name:8} batches of {batch:<3} {case}", measure(config, SECONDS) / RATE_PER_S, batch > 1)


@contextmanager
def filled(services: Services, case: Case, batch: int, orders: int, log: Path) -> Iterator[Config]:
    """A worker that has as much as it can do, while the block lasts."""
    config = Config(
        services.postgres, services.redis, services.broker, "sale", orders, limiter=case.kind, rate_per_s=case.rate_per_s,
        burst=int(case.rate_per_s * 0.04) + batch - 1, prefetch=case.prefetch, batch=batch,
    )  # fmt: skip
    prepare(config)
    fill(config, orders)
    with worker(case, config, log) as process:
        await_ready(log, process)
        yield config


@dataclass(frozen=True)
class Spent:
    """What was spent until now, or for one order."""

    rows: float
    commits: float
    wal_bytes: float
    worker_s: float
    postgres_s: float

    def an_order(self, before: "Spent") -> "Spent":
        """Of what was written since `before`."""
        rows = self.rows - before.rows
        return Spent(*((now - then) / rows for now, then in zip(astuple(self), astuple(before), strict=True)))


def cost(services: Services, batch: int, log: Path) -> Spent:
    """Of an order, in a worker without a limit."""
    case = Case("none", RATE_PER_S, concurrency=2, prefetch=batch)
    with filled(services, case, batch, COST_ORDERS, log) as config:
        engine = database.connect(config, 1)
        worker_pid = next(p.pid for p in psutil.Process().children() if "celery" in p.cmdline())
        begun = spent(engine, worker_pid)
        while (now := spent(engine, worker_pid)).rows < COST_ORDERS * 0.9:
            time.sleep(0.2)
        engine.dispose()
    return now.an_order(begun)


def spent(engine: sa.Engine, worker_pid: int) -> Spent:
    """Everything so far."""
    query = """SELECT count(*), count(DISTINCT xmin::text), pg_current_wal_insert_lsn() - '0/0'::pg_lsn, pg_backend_pid()
               FROM orders WHERE sale = 'sale'"""
    with engine.connect() as connection:
        rows, commits, wal, backend = connection.execute(sa.text(query)).one()
    return Spent(rows, commits, float(wal), cpu_s(worker_pid), cpu_s(psutil.Process(backend).ppid(), but=backend))


def cpu_s(pid: int, but: int = 0) -> float:
    """CPU seconds of a process and of those under it, but for the one that asks."""
    tree = psutil.Process(pid)
    times = [each.cpu_times() for each in (tree, *tree.children(recursive=True)) if each.pid != but]
    return sum(each.user + each.system for each in times)


def print_cost(batch: int, found: Spent, beside: Spent) -> None:
    """One line: each cost over that of one by one."""
    whole, other = found.worker_s + found.postgres_s, beside.worker_s + beside.postgres_s
    parts = [now / then for now, then in zip(astuple(found)[1:], astuple(beside)[1:], strict=True)]
    print(
        f"batches of {batch:<3} over one by one     {parts[0]:9.3f} {parts[1]:10.2f} {parts[2]:11.2f} {parts[3]:13.2f} {whole / other:9.2f}",
        f"   ({found.commits:.3f} commits, {found.wal_bytes:.0f} bytes, {found.worker_s * 1000:.2f} + {found.postgres_s * 1000:.2f} ms)",
        flush=True,
    )


def rabbitmq_is_here() -> bool:
    """Whether one listens on this machine."""
    try:
        socket.create_connection(("127.0.0.1", 5672), 1).close()
    except OSError:
        return False
    return True


if __name__ == "__main__":
    main()
