"""The retry storm: whoever is not answered in time asks again, and makes the shop slower for all.

Bare, with Locust's web UI::

    locust -f scenarios/retry_storm.py --host http://127.0.0.1:8000
"""

from locust import events, tag, task

from loadtest.load.buyers.personas import Stubborn
from loadtest.load.plugin import install

install(events, "retry_storm")


class StubbornBuyer(Stubborn):
    """Does not wait long for an answer, and asks again when none came: who had won is to be told the same number again."""

    @tag("buy")  # type: ignore[untyped-decorator]
    @task  # type: ignore[untyped-decorator]
    def storm(self) -> None:
        self.warm()
        for answer in self.buy_at_t0():
            self.follow(self.retry(answer))
