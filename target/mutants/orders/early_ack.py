"""`early_ack`: an order is acknowledged when a worker starts it, not when its row is committed."""

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
    """Celery with early acknowledgement, as is its default; the same as SHOP_ACK=early."""
    return create_celery(replace(config, ack="early"))


class Slow(Orders):
    """Waits PAUSE_S before it writes the row, so that a worker holds unfinished orders at whatever moment it is killed."""

    def place(self, claim: Claim) -> Placement:
        sleep(PAUSE_S)
        return super().place(claim)


MUTANT = Mutant(
    name="early_ack",
    what="orders are acknowledged before they are placed, which takes 0.1 s: a killed worker takes them along",
    put_in=lambda honest: replace(honest, celery=acknowledging_early, orders=Slow),
    batched=False,
)
