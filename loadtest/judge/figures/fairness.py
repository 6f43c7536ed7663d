"""Fairness: whether winners were told in the order in which they had asked. Reported, never judged.

Kendall's τ-a between the order in which winners asked and the order in which they were told; 1: the same order, -1: reversed
(Kendall, "A New Measure of Rank Correlation", 1938).
"""

from dataclasses import dataclass

from loadtest.judge.tables import Tables

RANKED = """
    CREATE OR REPLACE TEMP TABLE ranked AS
    SELECT row_number() OVER (ORDER BY start_ns, generator, op_id) - 1 AS arrival,
        row_number() OVER (ORDER BY end_ns, generator, op_id) - 1 AS win
    FROM asks WHERE outcome = 'won'
"""
# Inverted pairs, bit by bit: any two ranks have one highest bit in which they differ. Counted at that bit, among the ranks that
# agree in all higher bits, each inverted pair counts once.
INVERTED_AT = """
    SELECT coalesce(sum(above), 0) FROM (
        SELECT (win >> {bit}) & 1 AS own, sum(own) OVER (PARTITION BY win >> ({bit} + 1) ORDER BY arrival) AS above FROM ranked
    ) WHERE own = 0
"""


@dataclass(frozen=True)
class Fairness:
    """Kendall's τ-a (-1 to 1), and the most places that one winner gained between asking and winning. None below two winners."""

    kendall_tau: float | None = None
    worst_inversion: int | None = None


def measure_fairness(tables: Tables) -> Fairness:
    """Compare the order of asking with the order of winning, in O(n log n) for n winners."""
    tables.db.execute(RANKED)
    winners, worst = tables.row("SELECT count(*), max(arrival - win) FROM ranked")
    if winners < 2:
        return Fairness()
    inverted = sum(int(tables.row(INVERTED_AT.format(bit=bit))[0]) for bit in range(winners.bit_length()))
    return Fairness(1 - 4 * inverted / (winners * (winners - 1)), worst)
