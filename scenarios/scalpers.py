"""Scalpers: a few accounts that buy on many connections at once, among ordinary buyers.

Without the harness, in Locust's web UI::

    locust -f scenarios/scalpers.py --host http://127.0.0.1:8000
"""

from locust import events

from loadtest.load.buyers.personas import Shopper
from loadtest.load.plugin import install

install(events, "scalpers")


class ScalpersBuyer(Shopper):
    """One in five uses a shared scalpers' account and sends three orders at once: 43 % of all orders. The shop must sell each
    account at most one unit."""
