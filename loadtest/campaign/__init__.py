"""Campaigns: several sales on services that stay up between them.

Here live the matrix, certification with its forgeries, and the sales started from Locust's web page. How one sale is run belongs in
`sale`, how one is judged in `judge`; what to run, and with which options, is up to `cli` and `sizing`, the only rooms that import this one.
Read first: `cells.WarmStack.run`, one sale on running services; then `matrix.run_matrix`.
"""
