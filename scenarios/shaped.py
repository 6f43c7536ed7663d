"""The ramp in Locust's own way: a LoadTestShape spawns the buyers, a second's worth at a time.

For buyers who come one by one, on schedule, see ``ramp.py``.

Bare, with Locust's web UI::

    locust -f scenarios/shaped.py --host http://127.0.0.1:8000
"""

from locust import events

from loadtest.load.buyers.personas import Shopper
from loadtest.load.buyers.shape import StepShape
from loadtest.load.plugin import install

install(events, "shaped")


class ShapedBuyer(Shopper):
    """Buys when Locust has spawned them; the first one's arrival is T0."""


class Ramp(StepShape):
    """Spawns buyers by `[arrivals] steps`."""
