"""Double clicks: impatient buyers click twice, and the second click does not wait for the first answer.

Bare, with Locust's web UI::

    locust -f scenarios/double_click.py --host http://127.0.0.1:8000
"""

from locust import events

from loadtest.load.buyers.personas import Shopper
from loadtest.load.plugin import install

install(events, "double_click")


class DoubleClickBuyer(Shopper):
    """Some click twice at the same moment, each time on a connection of its own. The second click must not cost a second unit."""
