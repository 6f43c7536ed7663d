"""What sampling costs: orders committed a second while the sampler reads every probe ten times a second, and while it is stopped.

Two clients write rows as the workers do, one for each transaction, while the sampler is alternately running and stopped (SIGSTOP) for a few
ticks each. Commits do not wait for the disk: its speed varies by half, and while a client waits the sampler would cost nothing. So two
cores are saturated, and what the sampler uses is missing to the clients. The machine still varies by many times what is measured, so each
ratio is of measurements right after each other (on, off, off, on), and the result is the median of many. The table is emptied every few
pairs. Aim: at least 0.98 of the commits without the sampler.
"""

import contextlib
import multiprocessing
import os
import signal
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psycopg2
import sides

from loadtest.experiment.files import load_experiment
from loadtest.experiment.schema import Experiment
from loadtest.probes.sampler import Addresses
from loadtest.record.run_dir import create
from loadtest.sale.beforehand.plan import plan
from loadtest.sale.run import write_request
from loadtest.sale.sampling import sampler_command
from loadtest.stack.embedded import embedded
from loadtest.stack.external import Given
from loadtest.stack.process import Supervisor
from loadtest.stack.shop_stack import on_free_port

SLICE_S = 0.4
# Woken, the sampler first makes up for the tick that it slept through.
SETTLE_S = 0.1
BLOCKS = 50
PAIRS = 4  # of a block
CLIENTS = 2
STOCK = 100_000
AIM = 0.98
FORK = multiprocessing.get_context("fork")  # threads would wait for each other's interpreter
INSERT = "INSERT INTO orders (number, sale, buyer, nth, stock, per_buyer) VALUES (%s, 'sale', %s, 1, %s, 1)"


def main() -> None:
    experiment = load_experiment("rush", [f"stock={STOCK}", "buyers=1"])
    with tempfile.TemporaryDirectory() as out:
        pairs = measure(experiment, Path(out))
    ratio, error = sides.middle([on / off for on, off in pairs])
    on, off = (statistics.median(side) for side in zip(*pairs, strict=True))
    print(
        f"commits/s, {CLIENTS} clients, one order a transaction, without a wait for the disk; {len(pairs)} pairs of {SLICE_S:g} s each, all on the same cores"
    )
    print(f"  sampler on  {on:9,.0f}\n  sampler off {off:9,.0f}")
    print(f"median on / off = {ratio:.3f} ± {error:.3f} (aim ≥ {AIM:g}: {'met' if ratio >= AIM else 'MISSED'})")


def measure(experiment: Experiment, out: Path) -> list[tuple[float, float]]:
    """Commits a second with the sampler on and off, a pair of neighbouring rounds each; which comes first takes turns."""
    planned = plan(experiment, Given())
    run_dir = create(out, "sampler", 1)
    write_request(run_dir, planned, ["benchmark"])
    with Supervisor(run_dir.logs, journal=run_dir.processes) as supervisor, embedded(supervisor) as services:
        on_free_port(experiment, planned.shop, services).prepare(supervisor)
        sampler = supervisor.start(sampler_command(run_dir, Addresses(services)))
        time.sleep(2)

        def switch(on: bool) -> None:
            os.kill(sampler.pid, signal.SIGCONT if on else signal.SIGSTOP)

        pairs = [pair for _ in range(BLOCKS) for pair in block(services.postgres, switch)]
        switch(True)
        if sampler.exit_code() is not None:
            raise SystemExit(f"the sampler ended with {sampler.exit_code()}:\n{sampler.log_tail()}")
    return pairs


def block(postgres: str, switch: Callable[[bool], None]) -> list[tuple[float, float]]:
    """Some pairs, beginning with an empty table."""
    with contextlib.closing(psycopg2.connect(postgres)) as connection, connection, connection.cursor() as cursor:
        cursor.execute("TRUNCATE orders")
    over = FORK.Event()
    counts = FORK.Array("q", CLIENTS, lock=False)
    arguments = [(postgres, counts, client, over) for client in range(CLIENTS)]
    clients = [FORK.Process(target=commit, args=each, daemon=True) for each in arguments]
    for client in clients:
        client.start()
    pairs = []
    for turn in range(PAIRS):
        rates = {}
        for on in (True, False) if turn % 2 == 0 else (False, True):
            switch(on)
            time.sleep(SETTLE_S)
            rates[on] = commits_per_s(counts)
        pairs.append((rates[True], rates[False]))
    over.set()
    for client in clients:
        client.join()
    return pairs


def commits_per_s(counts: Sequence[int]) -> float:
    """What the clients commit in one slice."""
    began, before = time.monotonic(), sum(counts)
    time.sleep(SLICE_S)
    return (sum(counts) - before) / (time.monotonic() - began)


def commit(postgres: str, counts: Any, client: int, over: Any) -> None:
    """Orders one unit after the other until it is over."""
    with contextlib.closing(psycopg2.connect(postgres)) as connection, connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = off")
        while not over.is_set():
            unit = counts[client] * CLIENTS + client + 1
            cursor.execute(INSERT, (f"sale-{unit:06d}", f"b-{unit:06d}", STOCK))
            connection.commit()
            counts[client] += 1


if __name__ == "__main__":
    main()
