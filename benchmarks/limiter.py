"""How exactly each limiter holds its rate on real workers: rows a second over the configured rate.

The queue is filled before anything is measured, and nobody buys meanwhile, so that only the limiter and the workers are measured. Each
figure is rows over the time between the first and the last of them, in a window of four seconds that begins a second after the queue is
full. Aims: 0.95 to 1.02 for every `flat` and `shared`, and again two seconds after one of four `shared` workers was killed. `native` has
no aim and is shown for comparison.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import sqlalchemy as sa

from loadtest.stack import Services
from loadtest.stack.embedded import embedded
from target.__main__ import prepare
from target.config import Config, LimiterKind
from target.queue.celery import PLACE_ORDER, create_celery
from target.stores import database

LOW, HIGH = 0.95, 1.02
SECONDS = 4.0
SETTLE_S = 1.0


@dataclass(frozen=True)
class Case:
    """One limiter on some workers; `per_s` is what all of them together are configured for."""

    kind: LimiterKind
    rate_per_s: float
    workers: int = 1
    pool: str = "prefork"
    concurrency: int = 4
    prefetch: int = 1

    @property
    def per_s(self) -> float:
        """The rate of all workers."""
        return self.rate_per_s * (1 if self.kind == "shared" else self.workers)

    def __str__(self) -> str:
        return f"{self.kind:7} {self.workers} × {self.rate_per_s:g}/s  -P {self.pool} -c {self.concurrency}, prefetch {self.prefetch}"


CASES = [
    *(Case(kind, rate) for kind in ("flat", "shared") for rate in (10, 50, 200)),
    *(Case(kind, 50, pool=pool) for kind in ("flat", "shared") for pool in ("threads", "gevent")),
    Case("flat", 50, pool="solo", concurrency=1),
    Case("flat", 100, workers=4),
    Case("native", 50, prefetch=4, concurrency=2),
    Case("native", 50, prefetch=1, concurrency=1),
]
KILLED = Case("shared", 100, workers=4)


def main() -> None:
    with embedded() as services, tempfile.TemporaryDirectory() as logs:
        for case in CASES:
            with working(case, services, Path(logs)) as (config, _):
                say(str(case), measure(config, SECONDS) / case.per_s, case.kind != "native")
        with working(KILLED, services, Path(logs)) as (config, workers):
            say(str(KILLED), measure(config, SECONDS) / KILLED.per_s)
            os.killpg(workers[0].pid, signal.SIGKILL)
            time.sleep(2)
            say("  from 2 s after one of them was killed", measure(config, SECONDS, settle_s=0) / KILLED.per_s)


def say(what: str, ratio: float, aimed: bool = True) -> None:
    """One line."""
    aim = f"(aim {LOW}–{HIGH}: {'met' if LOW <= ratio <= HIGH else 'MISSED'})" if aimed else ""
    print(f"{what:62} {ratio:5.2f} {aim}", flush=True)


@contextmanager
def working(case: Case, services: Services, logs: Path) -> Iterator[tuple[Config, Sequence["subprocess.Popen[bytes]"]]]:
    """The workers of a case with more in the queue than they can do, while the block lasts."""
    orders = round(case.per_s * (3 * SECONDS + 4)) + 100
    config = Config(
        services.postgres, services.redis, services.broker, "sale", orders, limiter=case.kind, rate_per_s=case.rate_per_s,
        burst=max(2, int(case.rate_per_s * 0.04)), workers=case.workers, prefetch=case.prefetch,
    )  # fmt: skip
    prepare(config)
    with ExitStack() as stack:
        workers = [stack.enter_context(worker(case, config, logs / f"{n}.log")) for n in range(case.workers)]
        for n in range(case.workers):
            await_ready(logs / f"{n}.log", workers[n])
        fill(config, orders)
        yield config, workers


@contextmanager
def worker(case: Case, config: Config, log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """One worker, as the manifest starts it."""
    told = {
        "SHOP_DATABASE_URL": config.database_url, "SHOP_REDIS_URL": config.redis_url, "SHOP_BROKER_URL": config.broker_url,
        "SHOP_SALE": config.sale, "SHOP_STOCK": str(config.stock), "SHOP_LIMITER": config.limiter,
        "SHOP_RATE_PER_S": str(config.rate_per_s), "SHOP_BURST": str(config.burst), "SHOP_WORKERS": str(config.workers),
        "SHOP_PREFETCH": str(config.prefetch), "SHOP_BATCH": str(config.batch),
    }  # fmt: skip
    command = [
        sys.executable, "-m", "celery", "-A", "target.worker.celery", "worker", "-n", f"{log.stem}@%h", "-P", case.pool,
        "-c", str(case.concurrency), "-l", "warning", "--without-gossip", "--without-mingle", "--without-heartbeat",
    ]  # fmt: skip
    with log.open("wb") as out:
        process = subprocess.Popen(command, env=os.environ | told, stdout=out, stderr=out, start_new_session=True)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGQUIT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(5)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def await_ready(log: Path, process: "subprocess.Popen[bytes]") -> None:
    """Returns once the worker consumes."""
    deadline = time.monotonic() + 30
    while "worker ready" not in log.read_text(encoding="utf-8"):
        if process.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"limiter: a worker did not come up:\n{log.read_text(encoding='utf-8')[-2000:]}")
        time.sleep(0.05)


def fill(config: Config, orders: int) -> None:
    """That many orders on the queue."""
    with create_celery(replace(config, limiter="none")) as app, app.producer_or_acquire() as producer:
        for start in range(1, orders + 1, 200):
            with producer.batch(200):
                for unit in range(start, min(start + 200, orders + 1)):
                    app.send_task(PLACE_ORDER, args=(config.number(unit), f"b-{unit}", 1), producer=producer)


def measure(config: Config, seconds: float, settle_s: float = SETTLE_S) -> float:
    """Rows a second, over the next `seconds` after `settle_s`. Those of the first commit are where the clock starts."""
    time.sleep(settle_s)
    begun = time.time()
    time.sleep(seconds)
    query = """WITH seen AS (SELECT created_at, xmin::text AS commit FROM orders
                             WHERE sale = :sale AND created_at BETWEEN to_timestamp(:begun) AND to_timestamp(:ended))
               SELECT count(*) FILTER (WHERE commit <> (SELECT commit FROM seen ORDER BY created_at LIMIT 1)),
                   extract(epoch FROM max(created_at) - min(created_at)) FROM seen"""
    engine = database.connect(config, 1)
    with engine.connect() as connection:
        bounds = {"sale": config.sale, "begun": begun, "ended": begun + seconds}
        steps, span_s = connection.execute(sa.text(query), bounds).one()
    engine.dispose()
    return float(steps) / float(span_s) if span_s else 0.0


if __name__ == "__main__":
    main()
