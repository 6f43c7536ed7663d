"""Sneaker drop: one pair each, first come first served. Try it: `PAIRS=3 uvicorn app:app`."""

import os
import sqlite3
import time
from contextlib import asynccontextmanager, closing

from fastapi import BackgroundTasks, FastAPI
from pydantic import BaseModel

DATABASE = os.environ.get("DATABASE", "drop.db")
PAIRS = int(os.environ.get("PAIRS", "100"))
MISTAKE = os.environ.get("MISTAKE", "")

SCHEMA = """
CREATE TABLE IF NOT EXISTS counter (id INTEGER PRIMARY KEY, left INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY AUTOINCREMENT, created REAL NOT NULL);
"""


def connect(timeout: float = 5) -> sqlite3.Connection:
    return sqlite3.connect(DATABASE, timeout=timeout, isolation_level=None)


@asynccontextmanager
async def lifespan(app: FastAPI):
    with closing(connect()) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.executescript(SCHEMA)
        db.execute("INSERT OR IGNORE INTO counter VALUES (1, ?)", (PAIRS,))
    yield


app = FastAPI(title="Sneaker drop", lifespan=lifespan)


class Purchase(BaseModel):
    name: str
    size: int = 42


@app.get("/")
def home():
    with closing(connect()) as db:
        (left,) = db.execute("SELECT left FROM counter").fetchone()
    return {"left": left}


@app.post("/buy")
def buy(purchase: Purchase, background: BackgroundTasks):
    with closing(connect()) as db:
        if MISTAKE == "naive":
            order = read_then_write(db)
        elif MISTAKE == "saves_later":
            order = save_later(db, background)
        else:
            order = take(db)
    if order is None:
        return {"success": False, "message": "Sold out!"}
    return {"success": True, "message": f"They are yours, {purchase.name}!", "order_id": order}


def take(db: sqlite3.Connection) -> int | None:
    """One transaction: whoever counts down to below zero has changed no row."""
    db.execute("BEGIN IMMEDIATE")
    order = None
    if db.execute("UPDATE counter SET left = left - 1 WHERE left > 0").rowcount:
        order = insert(db)
    db.execute("COMMIT")
    return order


def insert(db: sqlite3.Connection) -> int | None:
    return db.execute("INSERT INTO orders (created) VALUES (?)", (time.time(),)).lastrowid


# What is wrong on purpose.


def read_then_write(db: sqlite3.Connection) -> int | None:
    """Everybody who reads before the first has written gets the same pair."""
    (left,) = db.execute("SELECT left FROM counter").fetchone()
    if left <= 0:
        return None
    db.execute("UPDATE counter SET left = ?", (left - 1,))
    return insert(db)


def save_later(db: sqlite3.Connection, background: BackgroundTasks) -> int | None:
    """The answer does not wait for the order's row, which may never be written."""
    counted = db.execute("UPDATE counter SET left = left - 1 WHERE left > 0 RETURNING left").fetchall()
    if not counted:
        return None
    order = PAIRS - counted[0][0]
    background.add_task(save, order)
    return order


def save(order: int) -> None:
    with closing(connect(timeout=0)) as db:
        try:
            db.execute("INSERT INTO orders (id, created) VALUES (?, ?)", (order, time.time()))
        except sqlite3.OperationalError as error:
            print(f"could not save order {order}: {error}")
