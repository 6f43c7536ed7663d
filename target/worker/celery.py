"""The workers' Celery application, run by ``celery -A target.worker.celery worker``."""

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
        # The database's driver is C code: without this, every greenlet would stand still while one waits for the database.
        from psycogreen.gevent import patch_psycopg

        patch_psycopg()
    config = load_or_exit()
    with saying_what_is_wrong():
        return parts_of(config).celery(config)


def _say_ready(**_: object) -> None:
    print("worker ready", flush=True)


def __getattr__(name: str) -> Any:
    # Made on first use, so that this module can be imported without the SHOP_* variables.
    if name == "app":
        return _worker_app()
    raise AttributeError(name)
