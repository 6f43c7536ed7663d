"""MySQL keeps users, goods and orders; Redis the queue, the hidden paths and what became of each request."""

import threading
from contextlib import contextmanager

import pymysql
import redis

from seckill import settings

cache = redis.Redis.from_url(settings.REDIS_URL, decode_responses=True)

QUEUE = "seckill:queue"


def results(goods: int) -> str:
    """A hash: user → order id, or -1."""
    return f"seckill:{goods}:results"


_of_thread = threading.local()


def connection() -> pymysql.Connection:
    """The one of this thread, made when it is first wanted, and anew when it was lost."""
    if not hasattr(_of_thread, "connection"):
        _of_thread.connection = pymysql.connect(
            host=settings.MYSQL_HOST,
            port=settings.MYSQL_PORT,
            user=settings.MYSQL_USER,
            password=settings.MYSQL_PASSWORD,
            database=settings.MYSQL_DATABASE,
            autocommit=True,
            ssl_disabled=True,  # it is in the same rack
            cursorclass=pymysql.cursors.DictCursor,
        )
    _of_thread.connection.ping(reconnect=True)
    return _of_thread.connection


@contextmanager
def transaction():
    """A cursor; committed at its end, rolled back on an error."""
    used = connection()
    used.begin()
    try:
        with used.cursor() as cursor:
            yield cursor
    except BaseException:
        used.rollback()
        raise
    used.commit()
