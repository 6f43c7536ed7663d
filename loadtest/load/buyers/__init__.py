"""The buyers: Locust users that wait for T0, buy, follow their orders, and record what they saw.

Here: the base class and its variants, the barrier at which buyers meet before T0 (`gate`), and the history's writer (`recorder`).
Not here: the traffic patterns themselves (see `scenarios`), or who double-clicks and who is a scalper
(`loadtest.experiment.traffic`). Read `buyer.Buyer` first.
"""
