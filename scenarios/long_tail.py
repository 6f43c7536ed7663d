"""The long tail: most come at once, and buyers keep coming long after the last unit is sold.

Without the harness, in Locust's web UI::

    locust -f scenarios/long_tail.py --host http://127.0.0.1:8000
"""

from locust import events

from loadtest.load.buyers.personas import Shopper
from loadtest.load.plugin import install

install(events, "long_tail")


class LateBuyer(Shopper):
    """Comes at a scheduled time, early or late. Late buyers must be told sold out at once, and must not delay the orders in the
    queue."""
