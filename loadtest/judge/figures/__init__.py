"""Figures: what a verdict measures and reports, but does not judge.

Here: one module for each group of figures (counts, rates, latency, offered load, fairness, peak shaving), each a frozen
dataclass and one function that fills it from `loadtest.judge.tables`. Not here: bounds (`judge.thresholds`), invariants
(`judge.checks`) and charts (`reports`). Read first: `measure.measure`.
"""
