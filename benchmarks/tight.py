"""A Locust file of users that send requests as fast as they can, each on one connection, for the benchmarks that compare clients.

Prints ``RATE <requests per CPU second>`` over MEASURE_S seconds, after WARM_S. With ALTERNATE set, it switches something on and off every
SLICE_S instead and prints both rates, so that whatever else the machine does affects both alike: ``history``; ``json``, a rule that asks for a value of
the body, beside rules by status; or ``status``, rules by status beside a mere look into a dictionary.
"""

import os
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import gevent
from locust import FastHttpUser, events, task

from loadtest.load.buyers.buyer import Buyer
from loadtest.load.plugin import install
from loadtest.manifest.http import Buy
from loadtest.talk.reading import BuyReader, Reading

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
    """Rates with what is switched on and off, a second of this process's CPU time, and the median of what one is of the other next to it.

    Each ratio is of neighbours (off, on, on, off), so that a machine that gets slower or faster meanwhile does so to both.
    """
    switch = SWITCHES[os.environ["ALTERNATE"]](environment.sale)
    rates: list[tuple[float, float]] = []
    for _ in range(round(MEASURE_S / SLICE_S / 4)):
        counts, cpu_s = [0, 0], [0.0, 0.0]
        for on in (0, 1, 1, 0):
            switch(bool(on))
            slice_count, slice_cpu_s = slice_of(environment, SLICE_S)
            counts[on] += slice_count
            cpu_s[on] += slice_cpu_s
        if all(counts) and all(cpu_s):  # on a busy machine this process may have had no time at all in a slice
            rates.append((counts[1] / cpu_s[1], counts[0] / cpu_s[0]))
    on_rate, off_rate = (median(side) for side in zip(*rates, strict=True))
    print(f"ON {on_rate:.0f} OFF {off_rate:.0f} RATIO {median(on / off for on, off in rates):.4f}")


def history(sale: Any) -> Callable[[bool], None]:
    """Switches the history."""
    recorder = sale.recorder
    return lambda on: setattr(sale, "recorder", recorder if on else None)


def json_rule(sale: Any) -> Callable[[bool], None]:
    """Switches between a rule that asks for a value of the body, and one by status."""
    ruled = reader([{"status": 202, "json": {"outcome": "won"}, "is": "won"}])
    plain = reader([{"status": 202, "is": "won"}])
    return lambda on: setattr(sale.script, "read_buy", ruled if on else plain)


def status_rule(sale: Any) -> Callable[[bool], None]:
    """Switches between rules by status and a mere look into a dictionary."""
    meanings = {202: Reading("won")}
    plain = reader([{"status": 202, "is": "won"}])

    def look(response: Any, _buyer: str, _kept: Any) -> Reading:
        return meanings[response.status]

    return lambda on: setattr(sale.script, "read_buy", plain if on else look)


def reader(outcomes: list[dict[str, Any]]) -> Any:
    """What reads answers by these rules."""
    return BuyReader(Buy.model_validate({"request": "POST /", "outcomes": outcomes})).read


SWITCHES = {"history": history, "json": json_rule, "status": status_rule}


def slice_of(environment: Any, seconds: float) -> tuple[int, float]:
    """Requests and CPU seconds of the next `seconds`."""
    count, cpu_s = environment.stats.num_requests, time.process_time()
    time.sleep(seconds)
    return environment.stats.num_requests - count, time.process_time() - cpu_s
