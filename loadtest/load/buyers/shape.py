"""A LoadTestShape that spawns buyers as `[arrivals] steps` of the experiment says."""

from collections.abc import Sequence

from locust import LoadTestShape

from loadtest.errors import UsageError
from loadtest.experiment.schema import Step
from loadtest.load.options import read_setup


class StepShape(LoadTestShape):  # type: ignore[misc]
    """Spawns in each second as many buyers as the current step says. Buyers who have bought stay, idle.

    *Warning:* Locust asks a shape once a second and spawns that second's buyers together. The ramp is approximate, and a step
    shorter than a second is lost; for exact times use open arrivals, such as `stepped`.
    """

    abstract = True

    def tick(self) -> tuple[int, float]:
        """The number of buyers a second from now, and their spawn rate per second. Never None: the last answer ends the run.

        Raises:
            UsageError: the experiment has no steps, or another kind of arrivals.
        """
        steps = self._steps()
        now, soon = (arrived(steps, self.get_run_time() + ahead_s) for ahead_s in (0, 1))
        return max(1, soon), max(1, soon - now)

    def _steps(self) -> Sequence[Step]:
        environment = self.runner.environment
        arrivals = read_setup(environment.parsed_options, environment.host).experiment.arrivals
        if arrivals.kind != "spawned" or not arrivals.steps:
            raise UsageError(
                "a StepShape needs arrivals.kind = 'spawned' and arrivals.steps, such as [[50, 3], [200, 3]]"
            )
        return arrivals.steps


def arrived(steps: Sequence[Step], at_s: float) -> int:
    """How many buyers `steps` have brought `at_s` seconds after the start."""
    total = 0.0
    for rate_per_s, seconds in steps:
        total += rate_per_s * min(max(at_s, 0), seconds)
        at_s -= seconds
    return round(total)
