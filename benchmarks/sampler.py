"""What watching costs: orders committed a second while the sampler reads every probe ten times a second, and while it stands still.

Two clients write rows as the workers do, one a transaction, in short rounds that have the sampler running and stopped in turn; each
round begins with an empty table. Aim: at least 0.98 of the commits without it.
"""

import os
import signal
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psycopg2

from loadtest.experiment import Experiment
from loadtest.experiments import load_experiment
from loadtest.run import plan, sampler_command, write_request
from loadtest.run_dir import create
from loadtest.stack.embedded import embedded
from loadtest.stack.external import Given
from loadtest.stack.process import Supervisor
from loadtest.stack.shop import on_free_port

ROUND_S = 0.5
PAIRS = 70
# Woken, the sampler first makes up for the tick that it slept through.
SETTLE_S = 0.12
CLIENTS = 2
STOCK = 20_000
AIM = 0.98
INSERT = "INSERT INTO orders (number, sale, buyer, nth, stock, per_buyer) VALUES (%s, 'sale', %s, 1, %s, 1)"


def main() -> None:
    experiment = load_experiment("rush", [f"stock={STOCK}", "buyers=1"])
    with tempfile.TemporaryDirectory() as out:
        pairs = measure(experiment, Path(out))
    ratio = statistics.median(on / off for on, off in pairs)
    on, off = (statistics.median(side) for side in zip(*pairs, strict=True))
    print(
        f"commits/s, {CLIENTS} clients, one order a transaction; {PAIRS} pairs of rounds of {ROUND_S:g} s, all on the same cores"
    )
    print(f"  sampler on  {on:9,.0f}\n  sampler off {off:9,.0f}")
    print(f"median on / off = {ratio:.3f} (aim ≥ {AIM:g}: {'met' if ratio >= AIM else 'MISSED'})")


def measure(experiment: Experiment, out: Path) -> list[tuple[float, float]]:
    """Commits a second with the sampler on and off, a pair of neighbouring rounds each; which comes first takes turns."""
    planned = plan(experiment, Given())
    run_dir = create(out, "sampler", 1)
    write_request(run_dir, planned, ["benchmark"])
    with Supervisor(run_dir.logs, journal=run_dir.processes) as supervisor, embedded(supervisor) as services:
        on_free_port(experiment, planned.shop, services).prepare(supervisor)
        sampler = supervisor.start(sampler_command(run_dir, services))
        time.sleep(2)

        def switch(on: bool) -> Callable[[], None]:
            return lambda: os.kill(sampler.pid, signal.SIGCONT if on else signal.SIGSTOP)

        pairs = []
        for turn in range(PAIRS):
            rates = {}
            for on in (True, False) if turn % 2 else (False, True):
                switch(on)()
                time.sleep(SETTLE_S)
                rates[on] = commits_per_s(services.postgres)
            pairs.append((rates[True], rates[False]))
        switch(True)()
        if sampler.exit_code() is not None:
            raise SystemExit(f"the sampler ended with {sampler.exit_code()}:\n{sampler.log_tail()}")
    return pairs


def commits_per_s(postgres: str) -> float:
    """Orders a second that the clients commit in one round."""
    with psycopg2.connect(postgres) as connection, connection.cursor() as cursor:
        cursor.execute("TRUNCATE orders")
    connection.close()
    counts = [0] * CLIENTS
    clients = [threading.Thread(target=commit, args=(postgres, counts, client)) for client in range(CLIENTS)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    return sum(counts) / ROUND_S


def commit(postgres: str, counts: list[int], client: int) -> None:
    """Orders one unit after the other until the round is over."""
    connection = psycopg2.connect(postgres)
    with connection.cursor() as cursor:
        end = time.monotonic() + ROUND_S
        while time.monotonic() < end:
            unit = counts[client] * CLIENTS + client + 1
            cursor.execute(INSERT, (f"sale-{unit:06d}", f"b-{unit:06d}", STOCK))
            connection.commit()
            counts[client] += 1
    connection.close()


if __name__ == "__main__":
    main()
