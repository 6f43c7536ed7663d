"""MySQL keeps users, goods and orders; Redis the queue, the hidden paths and what became of each request."""

from contextlib import contextmanager

import pymysql
import redis

from seckill import settings

cache = redis.Redis.from_url(settings.REDIS_URL, decode_responses=True)

QUEUE = "seckill:queue"


def results(goods: int) -> str:
    """A hash: user → order id, or -1."""
    return f"seckill:{goods}:results"


def connect() -> pymysql.Connection:
    return pymysql.connect(
        host=settings.MYSQL_HOST,
        port=settings.MYSQL_PORT,
        user=settings.MYSQL_USER,
        password=settings.MYSQL_PASSWORD,
        database=settings.MYSQL_DATABASE,
        cursorclass=pymysql.cursors.DictCursor,
    )


@contextmanager
def transaction(connection: pymysql.Connection):
    """A cursor; committed at its end, rolled back on an error."""
    connection.begin()
    try:
        with connection.cursor() as cursor:
            yield cursor
    except BaseException:
        connection.rollback()
        raise
    connection.commit()
