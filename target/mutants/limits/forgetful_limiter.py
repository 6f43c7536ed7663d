"""`forgetful_limiter`: the limiter forgets which orders run and which have just ended, as if each change of the limit began a new sale."""

from dataclasses import replace
from time import sleep, time
from typing import Any

from celery import Celery

from target.config import Config
from target.limiter import consumer
from target.limiter.felt import Felt
from target.mutants import Mutant
from target.queue.celery import create_celery
from target.stores.claims import Claim, Placement
from target.stores.orders import Orders


class Consumer(consumer.Consumer):
    """Its limit is changed by nothing worth mentioning before each order."""

    def bucket_for_task(self, type: Any) -> consumer.Bucket | None:  # noqa: A002 - Celery's name
        bucket = super().bucket_for_task(type)
        if bucket:
            bucket.felt = Forgetful(bucket.pace.most)
        return bucket


class Forgetful(Felt):
    """Begins anew with each order."""

    def has_room(self, together: int = 1) -> bool:
        self.__init__(self._bounds[-1][1])  # type: ignore[misc]
        return super().has_room(together)


class Slow(Orders):
    """Writes the rows of each second second all at its end, and those of the others at once."""

    def place(self, claim: Claim) -> Placement:
        now_s = time()
        if int(now_s) % 2:
            sleep(1 - now_s % 1)
        return super().place(claim)


def forgetting(config: Config) -> Celery:
    """Celery with that consumer."""
    celery = create_celery(config)
    celery.conf.worker_consumer = f"{__name__}:Consumer"
    return celery


MUTANT = Mutant(
    name="forgetful_limiter",
    what="a change of the limit, before each order, forgets what runs and what has just ended; each second second's rows come at its end",
    put_in=lambda honest: replace(honest, celery=forgetting, orders=Slow),
    batched=False,
)
