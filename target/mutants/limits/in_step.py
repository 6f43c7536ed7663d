"""`in_step`: workers that have lost their common budget all start orders at the same instants."""

from dataclasses import replace
from functools import partial

import redis
from celery import Celery

from target.config import Config
from target.limiter.budget import Answer, Budget, Shared
from target.mutants import Mutant
from target.queue.celery import PLACE_ORDER, create_celery


class Away(Budget):
    """Never answers."""

    def reserve(self, *_: object, **__: object) -> Answer:
        raise redis.ConnectionError("the budget is away")


def together(config: Config) -> Celery:
    """Celery with a budget that is away, and workers that all have the same place."""
    celery = create_celery(config)
    pace = partial(Shared, budget=Away(config), workers=config.workers, place=0)
    celery.conf.task_annotations[PLACE_ORDER]["pace"] = pace
    return celery


MUTANT = Mutant(
    name="in_step",
    what="workers without their common budget each keep to their share, and all start their orders at the same instants",
    put_in=lambda honest: replace(honest, celery=together),
)
