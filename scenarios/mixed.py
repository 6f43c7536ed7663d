"""Everything at once: refreshers, scalpers, double clicks and retries in one sale.

Without the harness, in Locust's web UI::

    locust -f scenarios/mixed.py --host http://127.0.0.1:8000
"""

from locust import events, tag, task

from loadtest.load.buyers.personas import Refresher, Stubborn
from loadtest.load.plugin import install

install(events, "mixed")


class MixedBuyer(Refresher, Stubborn):
    """Any of these, or several in one: a scalper may also click twice, and retry. `[traffic]` of the experiment sets the shares."""

    @tag("buy")  # type: ignore[untyped-decorator]
    @task  # type: ignore[untyped-decorator]
    def mixed(self) -> None:
        self.warm()
        self.refresh()
        for answer in self.buy_at_t0():
            self.follow(self.retry(answer))
