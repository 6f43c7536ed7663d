"""The soak: a low and steady rate for a long time, to find what leaks, piles up or is forgotten.

Bare, with Locust's web UI::

    locust -f scenarios/soak.py --host http://127.0.0.1:8000
"""

from locust import events

from loadtest.load.buyers.personas import Shopper
from loadtest.load.plugin import install

install(events, "soak")


class SoakBuyer(Shopper):
    """Comes at random, at a rate that the limiter can hold: no backlog is ever to stand."""
