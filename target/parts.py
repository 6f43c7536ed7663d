"""The parts that the shop is put together from. A mutant replaces one or two of them."""

from collections.abc import Callable
from dataclasses import dataclass

from celery import Celery

from target.config import Config
from target.queue.celery import create_celery
from target.schemes import Scheme, open_orders, open_scheme
from target.stores.orders import Placing


@dataclass(frozen=True)
class Parts:
    """How each part is made from the configuration."""

    scheme: Callable[[Config], Scheme] = open_scheme
    orders: Callable[[Config, int], Placing] = open_orders  # used by the queue's workers; the int: most connections
    celery: Callable[[Config], Celery] = create_celery  # used by the queue's workers
