"""Late wins: SQL for the wins that were asked for after a buyer had been told sold-out, and for the units that came back.

A query only; `loadtest.judge.tables` makes the table ``late_wins`` of it, and the check `sold_out_early` says what it means.
"""

LATE = """
    WITH closed AS (
        SELECT end_ns, buyer, op_name(generator, op_id) AS op, generator FROM asks
        WHERE outcome = 'sold_out' QUALIFY row_number() OVER (PARTITION BY generator ORDER BY end_ns, op_id) = 1
    ), begun AS (
        SELECT p.number, p.buyer, p.op, p.told_ns, min(coalesce(a.start_ns, t0_ns)) AS start_ns,
            arg_min(a.generator, coalesce(a.start_ns, t0_ns)) AS generator
        FROM sale, promises p JOIN asks a ON a.buyer = p.buyer AND (a.outcome IN ('unknown', 'accepted') OR (a.outcome = 'won' AND a.number IS NULL)
            OR (a.outcome IN ('won', 'already_bought') AND a.number IS NOT DISTINCT FROM p.number))
        GROUP BY ALL
    )
    SELECT b.*, c.end_ns AS closed_ns, c.buyer AS loser, c.op AS closing
    FROM begun b, closed c, apart WHERE one = b.generator AND other = c.generator AND b.start_ns > c.end_ns + apart_ns
    QUALIFY row_number() OVER (PARTITION BY b.number, b.buyer, b.op ORDER BY c.end_ns, c.op) = 1
"""
# A unit that came back after `from_ns`. `sure` is false where it came back before anybody was told sold-out, or by a clean-up.
RETURNS = """
    SELECT coalesce(min(coalesce(p.told_ns, a.start_ns)), 0) AS from_ns, true AS sure
    FROM told_rejected r LEFT JOIN asks a ON a.buyer = r.buyer
    LEFT JOIN promises p ON p.buyer = r.buyer AND p.number IS NOT DISTINCT FROM r.number GROUP BY r.number, r.buyer
    UNION ALL
    SELECT coalesce(start_ns, 0), http_status IS NULL OR end_ns >= (SELECT min(start_ns) FROM asks WHERE outcome = 'sold_out') FROM (
        SELECT *, row_number() OVER (PARTITION BY buyer ORDER BY start_ns, op_id) AS nth
        FROM asks WHERE outcome = 'unknown' OR (outcome = 'refused' AND http_status >= 500)
    ) LEFT JOIN (
        SELECT buyer, count(DISTINCT number) AS kept FROM (
            SELECT number, buyer FROM orders UNION SELECT number, buyer FROM claims UNION SELECT number, buyer FROM told_rejected
        ) ANTI JOIN promises USING (number, buyer) GROUP BY buyer
    ) USING (buyer) WHERE nth > coalesce(kept, 0)
"""
# Late wins (`late` = 1) and returns (0), in the order in which buyers were told and units came back: by how many the wins, up to each, are
# more than the units that may have come back before (`excess`), or that surely had (`unsure`).
LATE_WINS = f"""
    SELECT *, greatest(max(wins - backs) OVER upto, 0) AS excess, greatest(max(wins - sure_backs) OVER upto, 0) AS unsure FROM (
        SELECT *, sum(late) OVER upto AS wins, sum(1 - late) OVER upto AS backs,
            coalesce(sum(1 - late) FILTER (WHERE sure) OVER upto, 0) AS sure_backs
        FROM (
            SELECT 1 AS late, told_ns AS at_ns, false AS sure, * EXCLUDE told_ns FROM ({LATE})
            UNION ALL BY NAME SELECT 0 AS late, from_ns AS at_ns, sure FROM ({RETURNS})
        ) WINDOW upto AS (ORDER BY at_ns, late DESC, number, buyer ROWS UNBOUNDED PRECEDING)
    ) WINDOW upto AS (ORDER BY at_ns, late DESC, number, buyer ROWS UNBOUNDED PRECEDING)
"""
