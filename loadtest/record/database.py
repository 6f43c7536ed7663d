"""DuckDB: engines shared by the whole process, and a separate empty database for each caller."""

import atexit
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from itertools import count
from typing import Any

# DuckDB works out of core: what does not fit goes to the temporary directory.
MEMORY = "768MB"

_names = count()


@contextmanager
def database(ordered: bool = False) -> Iterator[Any]:
    """A DuckDB connection to a new, empty in-memory database. `ordered` keeps rows in the order they were read in, which takes memory."""
    engine, name = _engine(ordered), f"database_{next(_names)}"
    db = engine.cursor()
    db.execute(f"ATTACH ':memory:' AS {name}; USE {name}")
    try:
        yield db
    finally:
        db.close()  # also ends its open transactions and results
        engine.cursor().execute(f"DETACH {name}")


@cache
def _engine(ordered: bool) -> Any:
    """The engine of the process, kept because starting one takes as long as all queries of a small shard.

    It spills to the system's temporary directory rather than fill the memory. Its file cache is off: it could serve the old
    contents of a file that was rewritten.
    """
    import duckdb

    scratch = tempfile.TemporaryDirectory(prefix="loadtest-duckdb-")
    engine = duckdb.connect(config={
        "memory_limit": MEMORY, "temp_directory": scratch.name, "preserve_insertion_order": ordered,
        "enable_external_file_cache": False,
        # Where DuckDB expects few rows it runs an ASOF join as nested loops, which is quadratic when the estimate is wrong.
        "asof_loop_join_threshold": 0,
    })  # fmt: skip
    atexit.register(scratch.cleanup)
    atexit.register(engine.close)
    return engine
