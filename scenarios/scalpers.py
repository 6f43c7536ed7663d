"""Scalpers: a few accounts that ask on many connections at once, beside everybody else.

Bare, with Locust's web UI::

    locust -f scenarios/scalpers.py --host http://127.0.0.1:8000
"""

from locust import events

from loadtest.load.buyers.personas import Shopper
from loadtest.load.plugin import install

install(events, "scalpers")


class ScalpersBuyer(Shopper):
    """One in five shares a scalpers' account and asks three times at once. The shop sees more scalpers than buyers, and owes
    each account no more than one unit."""
