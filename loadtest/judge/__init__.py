"""Judging: computes the verdict of a run from its run directory alone, without the services that it ran on.

Here: the run directory as DuckDB tables (`tables`, `spans`), the invariants (`checks`), the measurements (`figures`),
thresholds, doubts, the verdict, and the certificate that the checks have been seen to fail. Not here: anything that starts
a process, asks a service or draws a report; all that is written are the joined Parquet files, the verdict and the certificate.
Read first: `verdict.judge`.
"""
