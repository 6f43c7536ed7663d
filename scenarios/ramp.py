"""The ramp: buyers come in steps, each faster than the last, on schedule however slow the shop becomes.

Bare, with Locust's web UI::

    locust -f scenarios/ramp.py --host http://127.0.0.1:8000
"""

from locust import events

from loadtest.load.buyers.personas import Shopper
from loadtest.load.plugin import install

install(events, "ramp")


class RampBuyer(Shopper):
    """Comes at a time of their own, by the plan in `[arrivals] steps`. For a ramp in Locust's own way see ``shaped.py``."""
