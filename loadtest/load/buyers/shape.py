"""A LoadTestShape whose numbers are the experiment's: buyers are spawned by `[arrivals] steps`."""

from collections.abc import Sequence

from locust import LoadTestShape

from loadtest.errors import UsageError
from loadtest.experiment.schema import Step
from loadtest.load.options import read_setup


class StepShape(LoadTestShape):  # type: ignore[misc]
    """Spawns as many buyers in each second as the step is to have in it. They stay when they have bought.

    *Warning:* Locust looks at a shape once a second, and spawns that second's buyers together: this is a closed ramp for the eye,
    and a step of less than a second is lost. Open arrivals are not.
    """

    abstract = True

    def tick(self) -> tuple[int, float]:
        """How many buyers there are to be, and the rate at which they are spawned. It never ends the run: the last answer does."""
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
    """How many have come by then."""
    total = 0.0
    for rate_per_s, seconds in steps:
        total += rate_per_s * min(max(at_s, 0), seconds)
        at_s -= seconds
    return round(total)
