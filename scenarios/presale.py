"""The presale: buyers reload the countdown page until the sale opens, and then all click at once.

Without the harness, in Locust's web UI::

    locust -f scenarios/presale.py --host http://127.0.0.1:8000
"""

from locust import events, tag, task

from loadtest.load.buyers.personas import Refresher
from loadtest.load.plugin import install

install(events, "presale")


class PresaleBuyer(Refresher):
    """Reloads the countdown page until T0 (only a share of the buyers; the others wait), clicks at T0, and follows each order taken."""

    @tag("buy")  # type: ignore[untyped-decorator]
    @task  # type: ignore[untyped-decorator]
    def presale(self) -> None:
        self.warm()
        self.refresh()
        for answer in self.buy_at_t0():
            if answer.ordered:
                self.follow(answer)
