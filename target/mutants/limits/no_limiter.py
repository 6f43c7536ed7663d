"""`no_limiter`: a rate is configured, and nothing enforces it."""

from dataclasses import replace

from celery import Celery

from target.config import Config
from target.mutants import Mutant
from target.queue.celery import create_celery


def unlimited(config: Config) -> Celery:
    """Celery as with SHOP_LIMITER=none, whatever SHOP_LIMITER says."""
    return create_celery(replace(config, limiter="none"))


MUTANT = Mutant(
    name="no_limiter",
    what="the configured rate does not reach the workers: they place orders as fast as they can",
    put_in=lambda honest: replace(honest, celery=unlimited),
)
