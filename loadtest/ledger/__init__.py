"""Ledger: reads what the shop's own stores hold (Redis, the queue, Postgres) before a sale and after its drain.

Here: waiting for the drain (`standstill`), and the final reads of each set that the manifest declares, written as
``final/*.parquet``. Also the connections and readers of the stores (`sources`, `queue`), which the probes use too. Not here:
any judgement of what was read (`loadtest.judge`), and any write to a store. Read first: `final_reads.Ledger.read_final`.
"""
