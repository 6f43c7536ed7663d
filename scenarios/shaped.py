"""The ramp by Locust's own means: a LoadTestShape spawns the buyers of each second together.

For buyers who arrive one by one, on schedule, see ``ramp.py``.

Without the harness, in Locust's web UI::

    locust -f scenarios/shaped.py --host http://127.0.0.1:8000
"""

from locust import events

from loadtest.load.buyers.personas import Shopper
from loadtest.load.buyers.shape import StepShape
from loadtest.load.plugin import install

install(events, "shaped")


class ShapedBuyer(Shopper):
    """Buys as soon as Locust has spawned them; T0 is set when the first is ready."""


class Ramp(StepShape):
    """Spawns buyers at the rates of `[arrivals] steps`."""
