"""`native_limiter`: Celery's own rate limit, which collapses under a backlog."""

from dataclasses import replace

from celery import Celery

from target.config import Config
from target.mutants import Mutant
from target.queue.celery import create_celery


def natively_limited(config: Config) -> Celery:
    """Celery with its own consumer and default prefetch. `target.limiter.consumer` explains why its rate collapses."""
    return create_celery(replace(config, limiter="native", prefetch=4))


MUTANT = Mutant(
    name="native_limiter",
    what="Celery's own rate limit, which under a backlog gives 1 to 3 orders a second whatever the rate",
    put_in=lambda honest: replace(honest, celery=natively_limited),
)
