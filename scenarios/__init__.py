"""Locust files, one traffic pattern each: which buyers come, and what each of them does.

A scenario runs under the harness (``loadtest run rush``), or without it, unjudged: ``locust -f scenarios/rush.py --host …``.
Numbers do not belong here: they are in the experiment of the same name. Nor do clients, clocks and recording: `loadtest.load`.
Read `rush.RushBuyer` first.
"""
