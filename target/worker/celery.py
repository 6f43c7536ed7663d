"""The workers' Celery application: ``celery -A target.worker.celery worker`` finds `app` here."""

from functools import cache
from typing import Any

from celery import Celery
from celery.signals import worker_ready
from kombu.utils.compat import detect_environment

from target.assembly import parts_of
from target.config import load_or_exit, saying_what_is_wrong


@cache
def _worker_app() -> Celery:

    worker_ready.connect(_say_ready)
    if detect_environment() == "gevent":
        # The driver of the database is C: it would hold up every greenlet while it waits.
        from psycogreen.gevent import patch_psycopg

        patch_psycopg()
    config = load_or_exit()
    with saying_what_is_wrong():
        return parts_of(config).celery(config)


def _say_ready(**_: object) -> None:
    print("worker ready", flush=True)


def __getattr__(name: str) -> Any:
    # Made on first use: whoever imports this module need not have the environment of a worker.
    if name == "app":
        return _worker_app()
    raise AttributeError(name)
