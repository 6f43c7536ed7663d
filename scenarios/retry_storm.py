"""The retry storm: buyers who get no answer in time retry, and make the shop slower for all.

Without the harness, in Locust's web UI::

    locust -f scenarios/retry_storm.py --host http://127.0.0.1:8000
"""

from locust import events, tag, task

from loadtest.load.buyers.personas import Stubborn
from loadtest.load.plugin import install

install(events, "retry_storm")


class StubbornBuyer(Stubborn):
    """Waits only briefly for an answer, and retries. A buyer who had won must be told the same order number again."""

    @tag("buy")  # type: ignore[untyped-decorator]
    @task  # type: ignore[untyped-decorator]
    def storm(self) -> None:
        self.warm()
        for answer in self.buy_at_t0():
            self.follow(self.retry(answer))
