"""A Locust file of users that ask as fast as they can, each on one connection, for the benchmarks that compare clients.

Prints ``RATE <requests/s>`` over MEASURE_S seconds, after WARM_S.
"""

import os
import time
from typing import Any

import gevent
from locust import FastHttpUser, events, task

from loadtest.load.buyer import Buyer
from loadtest.load.plugin import install

WARM_S = 1.0
MEASURE_S = float(os.environ.get("MEASURE_S", "5"))

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


def measure(environment: Any) -> None:
    time.sleep(WARM_S)
    count, start = environment.stats.num_requests, time.perf_counter()
    time.sleep(MEASURE_S)
    rate = (environment.stats.num_requests - count) / (time.perf_counter() - start)
    print(f"RATE {rate:.0f} FAILURES {environment.stats.num_failures}", flush=True)
    environment.runner.quit()


@events.test_start.add_listener
def on_start(environment: Any, **_: Any) -> None:
    gevent.spawn(measure, environment)
