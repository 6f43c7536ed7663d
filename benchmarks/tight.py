"""A Locust file of users that ask as fast as they can, each on one connection, for the benchmarks that compare clients.

Prints ``RATE <requests per CPU second>`` over MEASURE_S seconds, after WARM_S. With ALTERNATE set, switches the history on and off
every SLICE_S instead, and prints the rates of both, so that whatever else the machine does meets both alike.
"""

import os
import time
from statistics import median
from typing import Any

import gevent
from locust import FastHttpUser, events, task

from loadtest.load.buyer import Buyer
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
    """Median rates with and without history, a second of this process's CPU time: on a busy core that is what one gets."""
    recorder = environment.sale.recorder
    rates: tuple[list[float], list[float]] = [], []
    for turn in range(round(MEASURE_S / SLICE_S)):
        on = (turn + 1) // 2 % 2  # off, on, on, off: a machine that gets slower slows both down
        environment.sale.recorder = recorder if on else None
        count, cpu_s = slice_of(environment, SLICE_S)
        rates[on].append(count / cpu_s)
    print(f"ON {median(rates[1]):.0f} OFF {median(rates[0]):.0f}")


def slice_of(environment: Any, seconds: float) -> tuple[int, float]:
    """Requests and CPU seconds of the next `seconds`."""
    count, cpu_s = environment.stats.num_requests, time.process_time()
    time.sleep(seconds)
    return environment.stats.num_requests - count, time.process_time() - cpu_s
