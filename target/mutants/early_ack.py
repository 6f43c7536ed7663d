"""`early_ack`: an order is acknowledged when a worker takes it up, not when its row stands."""

from dataclasses import replace
from time import sleep

from celery import Celery

from target.config import Config
from target.mutants import Mutant
from target.queue.celery import create_celery
from target.stores.claims import Claim, Placement
from target.stores.orders import Orders

PAUSE_S = 0.1


def acknowledging_early(config: Config) -> Celery:
    """Celery's default, which the shop can be told to keep."""
    return create_celery(replace(config, ack="early"))


class Slow(Orders):
    """Takes its time before the row, so that a worker is killed with orders in its hands whenever it is killed."""

    def place(self, claim: Claim) -> Placement:
        sleep(PAUSE_S)
        return super().place(claim)


MUTANT = Mutant(
    name="early_ack",
    what="orders are acknowledged before they are placed, which takes 0.1 s: a killed worker takes them along",
    put_in=lambda honest: replace(honest, celery=acknowledging_early, orders=Slow),
    batched=False,
)
