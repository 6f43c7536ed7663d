"""DuckDB: one engine for the process, and an empty database of its own for each who asks for one."""

import atexit
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from itertools import count
from typing import Any

# An out-of-core database needs little: what does not fit goes to the temporary directory.
MEMORY = "768MB"

_names = count()


@contextmanager
def database(ordered: bool = False) -> Iterator[Any]:
    """A DuckDB connection to an empty database of its own. Where it is `ordered`, rows stay in the order they were read in: that takes memory."""
    engine, name = _engine(ordered), f"database_{next(_names)}"
    db = engine.cursor()
    db.execute(f"ATTACH ':memory:' AS {name}; USE {name}")
    try:
        yield db
    finally:
        db.close()  # with all that it had begun
        engine.cursor().execute(f"DETACH {name}")


@cache
def _engine(ordered: bool) -> Any:
    """One for the whole process: to start one takes as long as all that is asked of a small shard. It spills to the system's temporary
    directory rather than fill the memory, and never takes a file that was written anew for the one it knows.
    """
    import duckdb

    scratch = tempfile.TemporaryDirectory(prefix="loadtest-duckdb-")
    engine = duckdb.connect(config={
        "memory_limit": MEMORY, "temp_directory": scratch.name, "preserve_insertion_order": ordered,
        "enable_external_file_cache": False,
        # Where it expects few rows DuckDB joins ASOF in nested loops: quadratic, when it is mistaken.
        "asof_loop_join_threshold": 0,
    })  # fmt: skip
    atexit.register(scratch.cleanup)
    atexit.register(engine.close)
    return engine
