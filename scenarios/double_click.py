"""Double clicks: impatient buyers click twice, without waiting for the first answer.

Without the harness, in Locust's web UI::

    locust -f scenarios/double_click.py --host http://127.0.0.1:8000
"""

from locust import events

from loadtest.load.buyers.personas import Shopper
from loadtest.load.plugin import install

install(events, "double_click")


class DoubleClickBuyer(Shopper):
    """Buys at T0; some click twice at the same moment, on two connections. The second click must not sell a second unit."""
