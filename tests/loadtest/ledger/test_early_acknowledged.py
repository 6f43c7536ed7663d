import contextlib
import json
import threading
import time
from pathlib import Path

import psycopg2

from loadtest.ledger.queue import open_queue
from loadtest.ledger.sources import Reader
from loadtest.ledger.standstill import Drain
from loadtest.manifest.final import Final, Source
from loadtest.manifest.order_queue import Queue
from loadtest.record.promises import read_promises
from loadtest.stack import Services

TAKES_S = 1.5
FINAL = Final(
    seeded=Source(pattern="s-{n}"), rows=Source(sql="SELECT number, buyer, created_at FROM placed WHERE sale = :sale")
)


def test_an_order_that_was_acknowledged_before_it_is_placed_is_waited_for(services: Services, tmp_path: Path) -> None:
    """It is in no queue, and no row yet: on real stores, with the row written by somebody who takes a while."""
    answer = {"o": "won", "n": "s-1", "h": 202}
    told = {"b": "b-1", "k": "buy", "s": 1, "t": 2, "e": 3, "a": answer}
    (tmp_path / "g1.jsonl").write_text(json.dumps(told, separators=(",", ":")) + "\n", encoding="utf-8")
    with (
        contextlib.closing(psycopg2.connect(services.postgres)) as connection,
        contextlib.closing(Reader(services, "s", 5)) as reader,
        contextlib.closing(open_queue(services, Queue(name="placed-early"))) as queue,
        connection.cursor() as cursor,
    ):
        connection.autocommit = True
        cursor.execute(
            "DROP TABLE IF EXISTS placed; CREATE TABLE placed (sale text, number text, buyer text, created_at timestamptz)"
        )

        def place() -> None:
            time.sleep(TAKES_S)
            cursor.execute("INSERT INTO placed VALUES ('s', 's-1', 'b-1', now())")

        worker = threading.Thread(target=place)
        worker.start()
        drain = Drain(reader, queue, FINAL, 0.1, 5, lambda: read_promises(tmp_path))
        drained = drain.wait(time.time_ns() + 30 * 10**9, lambda: None)
        assert drained.at_ns
        assert reader.count(FINAL.rows) == 1
        worker.join()
