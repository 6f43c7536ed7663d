"""The ramp: buyers arrive in steps, each at a higher rate, on schedule however slow the shop becomes.

Without the harness, in Locust's web UI::

    locust -f scenarios/ramp.py --host http://127.0.0.1:8000
"""

from locust import events

from loadtest.load.buyers.personas import Shopper
from loadtest.load.plugin import install

install(events, "ramp")


class RampBuyer(Shopper):
    """Buys at a time of their own, planned from `[arrivals] steps`. For a ramp by a LoadTestShape see ``shaped.py``."""
