"""Several generator processes in one sale: a Locust master and its workers, on one machine or on many.

Here: handing the sale out to workers, measuring their clocks, shipping what they recorded to the master, noticing who died.
Not here: buying, and the choice of T0 (`loadtest.load.buyers.gate.Leader`). Everything goes over Locust's own messages.
Read `master.Crew` first, then `worker.Worker`.
"""
