"""Dates: SQL for whether the rows' times of creation can be relied on. They are the database's, converted to the harness's clock.

A query only; `loadtest.judge.tables` makes the table ``undated`` of it. A row can be created neither before T0 nor after it was
read. Beyond what the clocks may differ by, its time is wrong, and so is every rate and every drain that is made of such times.
"""

# What an older run does not tell is taken to be wrong by at most this.
UNMEASURED_NS = 1_000_000_000
# A clock that was stepped by less moves no row far: half a bin of the report's time axis.
STEPPED_MS = 50
# Without a recorded time of the read, rows were read at most so long after the deadline.
READ_WITHIN_S = 600

UNDATED = f"""
CREATE TEMP TABLE undated AS
    WITH bounds AS (
        SELECT t0_ns, coalesce(db_uncertainty_ns, {UNMEASURED_NS}) + 5000000
                + coalesce((SELECT max(uncertainty_ns) FROM crew), 0) + coalesce((SELECT max(moved_ns) FROM moved), 0) AS within_ns,
            coalesce(read_ns, t0_ns + ((deadline_s + {READ_WITHIN_S}) * 1e9)::BIGINT) AS read_ns FROM sale
    ), dated AS (
        SELECT count(*) FILTER (WHERE created_ns < t0_ns - within_ns) AS early, count(*) FILTER (WHERE created_ns > read_ns + within_ns) AS late,
            min(created_ns) AS first_ns, max(created_ns) AS last_ns, round((first_ns - any_value(t0_ns)) / 900e9) / 4 AS hours
        FROM orders, bounds
    ), wrong AS (
        SELECT format('rows are created before T0: {{:,}} of them, the first at {{}}', early, since_t0(first_ns)) AS text, hours FROM dated WHERE early > 0
        UNION ALL
        SELECT format('rows are created after they were read: {{:,}} of them, the last at {{}}', late, since_t0(last_ns)), hours FROM dated WHERE late > 0
    )
    SELECT text || CASE WHEN hours <> 0 THEN format('; about {{:+g}} h, as where a time is stored without its time zone', hours) ELSE '' END AS text,
        CASE WHEN hours <> 0 THEN 'select it with its time zone in [final] rows of the manifest, such as created_at AT TIME ZONE ''UTC'''
            ELSE 'set the clock of the database''s machine, and see what [final] rows of the manifest selects as created_at' END AS remedy
    FROM wrong
    UNION ALL
    SELECT format('the wall clock of generator {{}} was stepped by {{:.0f}} ms during the sale, and rows may carry its time', generator, stepped_ms),
        'let the clock be slewed, not stepped, during a run'
    FROM (
        SELECT split_part(metric, '.', 1) AS generator, max(value) - min(value) AS stepped_ms FROM samples, sale
        WHERE probe = 'generator' AND ends_with(metric, '.wall_stepped_ms') AND time_ns >= t0_ns GROUP BY ALL
    ) WHERE stepped_ms > {STEPPED_MS};
"""
