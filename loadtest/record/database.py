"""DuckDB: engines shared by the whole process, and a separate empty database for each caller. And how files are read into one.

DuckDB takes a path for a pattern, and reads a folder named ``key=value`` as a column that outweighs the file's own. A run
directory may be called anything, so every read goes through `from_parquet`, `from_lines` or `from_csv`.
"""

import atexit
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

# DuckDB works out of core: what does not fit goes to the temporary directory.
MEMORY = "768MB"

# Folders named `key=value` are no columns.
OWN_COLUMNS = "hive_partitioning = false"

_names = count()


def from_parquet(path: Path) -> str:
    """SQL for the rows of a Parquet file, to stand after FROM."""
    return f"read_parquet({_pattern(path)}, {OWN_COLUMNS})"


def from_lines(paths: Sequence[Path], columns: Mapping[str, str], *, named: bool = False) -> str:
    """SQL for the rows of files of JSON lines; `columns` maps keys to types. `named` adds a column ``filename``."""
    files, filename = ", ".join(map(_pattern, paths)), str(named).lower()
    return f"read_json([{files}], format = 'newline_delimited', filename = {filename}, columns = {dict(columns)}, {OWN_COLUMNS})"


def from_csv(path: Path, columns: Mapping[str, str]) -> str:
    """SQL for the rows of a CSV file with a header; `columns` maps names to types."""
    return f"read_csv({_pattern(path)}, header = true, delim = ',', columns = {dict(columns)}, {OWN_COLUMNS})"


def quoted(text: object) -> str:
    """`text` as an SQL string, such as the target of COPY."""
    return "'" + str(text).replace("'", "''") + "'"


def _pattern(path: Path) -> str:
    """The pattern that matches the one file `path`, as an SQL string."""
    return quoted(re.sub(r"[*?\[]", r"[\g<0>]", str(path)))


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
