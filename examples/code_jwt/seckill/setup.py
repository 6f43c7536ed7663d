"""Everything as it is before the sale opens: `python -m seckill.setup users.csv 100` has 100 units of goods 1."""

import csv
import sys

from seckill.passwords import SALT, hashed
from seckill.stores import cache, transaction

# An order's number is no key: orders are to be spread over several databases one day, and snowflake ids are unique anyway.
TABLES = (
    "DROP TABLE IF EXISTS seckill_order, goods, user",
    """CREATE TABLE user (id BIGINT AUTO_INCREMENT PRIMARY KEY, mobile VARCHAR(20) NOT NULL UNIQUE, nickname VARCHAR(50),
       salt VARCHAR(10) NOT NULL, password CHAR(32) NOT NULL)""",
    """CREATE TABLE goods (id BIGINT PRIMARY KEY, name VARCHAR(50) NOT NULL, stock INT NOT NULL,
       start_at DATETIME(3) NOT NULL)""",
    """CREATE TABLE seckill_order (id BIGINT AUTO_INCREMENT PRIMARY KEY, order_no BIGINT NOT NULL, user_id BIGINT NOT NULL,
       goods_id BIGINT NOT NULL, created_at DATETIME(3) NOT NULL DEFAULT current_timestamp(3),
       UNIQUE KEY one_each (user_id, goods_id), KEY (order_no))""",
)


def main() -> None:
    users, stock = sys.argv[1], int(sys.argv[2])
    with open(users, newline="", encoding="utf-8") as file:
        rows = [(row["mobile"], row["nickname"], SALT, hashed(row["password"], SALT)) for row in csv.DictReader(file)]
    with transaction() as cursor:
        for statement in TABLES:
            cursor.execute(statement)
        cursor.executemany("INSERT INTO user (mobile, nickname, salt, password) VALUES (%s, %s, %s, %s)", rows)
        cursor.execute("INSERT INTO goods VALUES (1, 'iPhone', %s, now(3))", (stock,))
    for key in cache.scan_iter("seckill:*"):
        cache.delete(key)


if __name__ == "__main__":
    main()
