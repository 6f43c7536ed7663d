"""Record: what a run writes down, and how it is read back.

Here: the run directory (`run_dir`), the history and samples with the shards that they are joined from, the generators and the
environment of a run, and DuckDB, which reads and writes the Parquet files (`database`). Not here: anything that runs load,
reads a shop's stores or interprets what was recorded. Read first: `run_dir.RunDir`, then `history.load_history`.
"""
