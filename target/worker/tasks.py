"""The one Celery task: place an order."""

import gc
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from time import monotonic, sleep
from typing import Any

from celery import shared_task
from celery.concurrency.prefork import TaskPool as Prefork
from celery.exceptions import Reject
from celery.signals import worker_process_init, worker_process_shutdown, worker_ready
from celery.utils.log import get_task_logger

from target.assembly import parts_of
from target.config import load_or_exit
from target.errors import Unavailable
from target.queue.celery import PLACE_ORDER
from target.stores.claims import Claim
from target.stores.orders import Placing

# Seconds that a worker tries again by itself before it returns the order to the queue. Must be below the visibility time-out.
PATIENCE_S = 5.0
PAUSE_S = 0.2

log = get_task_logger(__name__)


def place_together(calls: Sequence[tuple[Sequence[Any], Mapping[str, Any]]]) -> list[Exception | None]:
    """Place the orders of several calls of `place_order` with one statement and one commit.

    Args:
        calls: (args, kwargs) of each call.

    Returns for each call None if its order was placed, Reject if it is to go back to the queue, else its error. Never raises, so
    that one bad order fails no other.
    """
    try:
        orders = [Claim(*args, **named) for args, named in calls]
        _patiently(f"a batch of {len(orders)}", lambda: _orders().place_all(orders))
    except Reject as error:
        return [error] * len(calls)
    except Exception as error:
        log.warning("a batch of %d is placed one by one: %r", len(calls), error)
        return [_alone(*call) for call in calls]
    return [None] * len(calls)


@shared_task(name=PLACE_ORDER, together=staticmethod(place_together))  # type: ignore[untyped-decorator]
def place_order(number: str, buyer: str, nth: int = 1) -> None:
    """Place one order. Delivered at least once, so it is safe to run again. Raises Reject (requeue) while a service is unavailable."""
    claim = Claim(number, buyer, nth)
    _patiently(number, lambda: _orders().place(claim))


def _alone(args: Sequence[Any], named: Mapping[str, Any]) -> Exception | None:
    wrong: Exception | None = None
    try:
        _orders().place(Claim(*args, **named))
    except Unavailable as error:
        wrong = Reject(str(error), requeue=True)
    except Exception as error:
        wrong = RuntimeError(f"{args}: {error!r}")  # the original may not be picklable
    return wrong


def _patiently(what: str, place: Callable[[], object]) -> None:
    """Call `place` until it does not raise Unavailable; after PATIENCE_S raise Reject, which returns `what` to the queue."""
    deadline = monotonic() + PATIENCE_S
    while True:
        try:
            place()
        except Unavailable as error:
            if monotonic() > deadline:
                log.warning("%s goes back to the queue: %s", what, error)
                raise Reject(str(error), requeue=True) from error
            sleep(PAUSE_S)
        else:
            return


_at_once = 1  # connections for `_orders`: the number of orders that this process places at the same time


@cache
def _orders() -> Placing:
    """What places orders in this process. Made on first use, so that a prefork child opens its own connections after the fork."""
    config = load_or_exit()
    return parts_of(config).orders(config, _at_once)


@worker_ready.connect  # type: ignore[untyped-decorator]
@worker_process_init.connect  # type: ignore[untyped-decorator]
def _settle(**_: object) -> None:
    # What Celery has loaded is never garbage, and collecting over it costs a tenth of every order.
    gc.freeze()
    gc.set_threshold(50_000, 50, 50)


@worker_process_init.connect  # type: ignore[untyped-decorator]
def _warm(**_: object) -> None:
    # Without this the first orders would be late and bunched. A service that is down is left for the first order to report.
    try:
        _orders().warm()
    except Exception as error:
        log.warning("starting without connections: %s", error)


@worker_ready.connect  # type: ignore[untyped-decorator]
def _share(sender: Any, **_: object) -> None:
    # Threads and greenlets share one process: it needs a connection for each, made before two of them call `_orders` at once.
    global _at_once
    if not isinstance(sender.pool, Prefork):
        _at_once = sender.pool.limit
        _warm()


@worker_process_shutdown.connect  # type: ignore[untyped-decorator]
def _close(**_: object) -> None:
    _orders().close()
