"""Takes requests from the queue and turns them into orders: `python -m seckill.worker 1`, with a machine id of its own for each."""

import json
import sys
import time

import pymysql

from seckill import settings
from seckill.snowflake import Snowflake
from seckill.stores import QUEUE, cache, results, transaction

SOLD_OUT = -1


class NothingLeft(Exception):
    pass


def place(cursor: pymysql.cursors.Cursor, user: int, goods: int, order: int) -> None:
    """One unit less, one order more. A second order of one user breaks the table's unique key."""
    if settings.MISTAKE == "check_then_write":
        check_then_write(cursor, goods)
    elif not cursor.execute("UPDATE goods SET stock = stock - 1 WHERE id = %s AND stock > 0", (goods,)):
        raise NothingLeft
    cursor.execute("INSERT INTO seckill_order (order_no, user_id, goods_id) VALUES (%s, %s, %s)", (order, user, goods))


def check_then_write(cursor: pymysql.cursors.Cursor, goods: int) -> None:
    """Wrong on purpose: both workers may have read the same stock before either writes it."""
    cursor.execute("SELECT stock FROM goods WHERE id = %s", (goods,))
    stock = cursor.fetchone()["stock"]
    if stock <= 0:
        raise NothingLeft
    time.sleep(0.005)  # the risk check
    cursor.execute("UPDATE goods SET stock = %s WHERE id = %s", (stock - 1, goods))


def handle(ids: Snowflake, user: int, goods: int) -> None:
    order = ids.next()
    try:
        with transaction() as cursor:
            place(cursor, user, goods, order)
    except NothingLeft:
        cache.hsetnx(results(goods), str(user), SOLD_OUT)
        return
    except pymysql.IntegrityError:
        order = ordered_before(user, goods)
    cache.hset(results(goods), str(user), order)


def ordered_before(user: int, goods: int) -> int:
    with transaction() as cursor:
        cursor.execute("SELECT order_no FROM seckill_order WHERE user_id = %s AND goods_id = %s", (user, goods))
        return cursor.fetchone()["order_no"]


def main() -> None:
    machine = int(sys.argv[1])
    if settings.MISTAKE == "shared_snowflake":
        machine = 1  # wrong on purpose: the id was copied along with the configuration
    ids, mine = Snowflake(machine), f"{QUEUE}:{sys.argv[1]}"
    while message := cache.rpoplpush(mine, QUEUE):
        print(f"taken up again: {message}")
    print("worker is ready", flush=True)
    while True:
        message = cache.blmove(QUEUE, mine, timeout=1, src="LEFT", dest="RIGHT")
        if message:
            request = json.loads(message)
            handle(ids, request["user"], request["goods"])
            cache.lrem(mine, 1, message)


if __name__ == "__main__":
    main()
