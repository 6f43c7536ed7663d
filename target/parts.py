"""What a shop is put together from. Every process of it starts here."""

from collections.abc import Callable
from dataclasses import dataclass

from celery import Celery

from target.config import Config
from target.schemes import Scheme, open_orders, open_scheme
from target.stores.orders import Placing
from target.worker.celery import create_celery


@dataclass(frozen=True)
class Parts:
    """How each part is made from the configuration."""

    scheme: Callable[[Config], Scheme] = open_scheme
    orders: Callable[[Config, int], Placing] = open_orders  # of the queue's workers; the number is of connections
    celery: Callable[[Config], Celery] = create_celery  # of the queue's workers


def parts_of(config: Config) -> Parts:
    """The honest parts; with SHOP_MUTANT, those of a shop that is wrong on purpose, which is said loudly.

    Raises:
        ConfigError: no such mutant, or one of another scheme or dispatch.
    """
    if not config.mutant:
        return Parts()
    from target.mutants import mutate

    return mutate(Parts(), config)
