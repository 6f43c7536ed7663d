"""Celery's remote control, by which the harness asks or tells the shop's workers."""

from celery import Celery

from loadtest.stack.surroundings import leave_outside


def celery_at(broker: str) -> Celery:
    """A Celery application on that broker, to be used as a context; not the current one, so that nothing else picks it up."""
    leave_outside()  # Celery prefers CELERY_BROKER_URL to what its application says
    return Celery(broker=broker, set_as_current=False)
