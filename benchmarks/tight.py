"""A Locust file of users that send requests as fast as they can, each on one connection, for the benchmarks that compare clients.

Prints ``RATE <requests per CPU second>`` over MEASURE_S seconds, after WARM_S. With ALTERNATE set, it switches the history on and off
every SLICE_S instead and prints both rates, so that whatever else the machine does affects both alike.
"""

import os
import time
from statistics import median
from typing import Any

import gevent
from locust import FastHttpUser, events, task

from loadtest.load.buyers.buyer import Buyer
from loadtest.load.plugin import install

WARM_S = 1.0
MEASURE_S = float(os.environ.get("MEASURE_S", "3"))
SLICE_S = 0.025

install(events)


class TightBuyer(Buyer):
    """The harness's client: events fired, answers read, history written where a run directory is given."""

    @task
    def ask(self) -> None:
        self.warm()
        while True:
            self.buy()


class TightFastHttp(FastHttpUser):
    """Locust's own fast client, with the same request."""

    @task
    def ask(self) -> None:
        body = {"buyer": "b-000001"}
        while True:
            self.client.post("/sales/sale/orders", json=body)


@events.test_start.add_listener
def on_start(environment: Any, **_: Any) -> None:
    gevent.spawn(measure, environment)


def measure(environment: Any) -> None:
    time.sleep(WARM_S)
    if "ALTERNATE" in os.environ:
        alternate(environment)
    else:
        count, cpu_s = slice_of(environment, MEASURE_S)
        print(f"RATE {count / cpu_s:.0f}")
    print(f"FAILURES {environment.stats.num_failures}", flush=True)
    environment.runner.quit()


def alternate(environment: Any) -> None:
    """Rates with and without history, a second of this process's CPU time, and the median of what one is of the other next to it.

    Each ratio is of neighbours (off, on, on, off), so that a machine that gets slower or faster meanwhile does so to both.
    """
    recorder = environment.sale.recorder
    rates: list[tuple[float, float]] = []
    for _ in range(round(MEASURE_S / SLICE_S / 4)):
        counts, cpu_s = [0, 0], [0.0, 0.0]
        for on in (0, 1, 1, 0):
            environment.sale.recorder = recorder if on else None
            slice_count, slice_cpu_s = slice_of(environment, SLICE_S)
            counts[on] += slice_count
            cpu_s[on] += slice_cpu_s
        if all(counts) and all(cpu_s):  # on a busy machine this process may have had no time at all in a slice
            rates.append((counts[1] / cpu_s[1], counts[0] / cpu_s[0]))
    on_rate, off_rate = (median(side) for side in zip(*rates, strict=True))
    print(f"ON {on_rate:.0f} OFF {off_rate:.0f} RATIO {median(on / off for on, off in rates):.4f}")


def slice_of(environment: Any, seconds: float) -> tuple[int, float]:
    """Requests and CPU seconds of the next `seconds`."""
    count, cpu_s = environment.stats.num_requests, time.process_time()
    time.sleep(seconds)
    return environment.stats.num_requests - count, time.process_time() - cpu_s
