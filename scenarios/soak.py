"""The soak: a low, steady rate for a long time, to find what leaks, piles up or is forgotten.

Without the harness, in Locust's web UI::

    locust -f scenarios/soak.py --host http://127.0.0.1:8000
"""

from locust import events

from loadtest.load.buyers.personas import Shopper
from loadtest.load.plugin import install

install(events, "soak")


class SoakBuyer(Shopper):
    """Arrives at random, at a mean rate below the limiter's: no lasting backlog may build up."""
