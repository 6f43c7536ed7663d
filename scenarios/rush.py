"""The rush: a herd of buyers who all want the same thing at the same moment.

Without the harness, in Locust's web UI::

    locust -f scenarios/rush.py --host http://127.0.0.1:8000
"""

from locust import events, tag, task

from loadtest.load.buyers.buyer import Buyer
from loadtest.load.plugin import install

install(events)


class RushBuyer(Buyer):
    """Loads the countdown page, waits for T0, clicks (impatient buyers twice at the same moment), and follows each order that was
    taken until it is confirmed or rejected."""

    @tag("buy")  # type: ignore[untyped-decorator]
    @task  # type: ignore[untyped-decorator]
    def rush(self) -> None:
        self.warm()
        for answer in self.buy_at_t0():
            if answer.ordered:
                self.follow(answer)
