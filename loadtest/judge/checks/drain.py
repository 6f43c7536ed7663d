"""Drain: the queue is empty, and the rows stand still, before the deadline.

Messages that workers hold (unacked) may belong to a worker that was killed or hangs. The broker redelivers them only after its
redelivery time: on Redis an hour, unless the sale records another. A shorter deadline cannot tell late from stuck.

RabbitMQ tells how many messages workers hold, but seconds late and without their numbers; with its management off it tells
nothing. So an entry without a number is ignored once the drain has seen an empty queue and rows that stood still.
"""

from loadtest.judge.checks import Check
from loadtest.judge.declared import ROWS

STANDING = """
    SELECT clock.*, waiting, unacked, unknown, coalesce(redelivery_s, 3600) AS redelivery_s,
        waiting > 0 AND unacked = waiting AND clock.deadline_s < coalesce(redelivery_s, 3600) AS may_return
    FROM clock, sale, (
        SELECT count(*) AS waiting, count(*) FILTER (WHERE state = 'unacked') AS unacked,
            (SELECT count(*) > 0 FROM queue, sale WHERE state = 'unknown' AND NOT drained) AS unknown
        FROM queue, sale WHERE state <> 'unknown' AND NOT (drained AND number IS NULL))
"""

CHECK = Check(
    name="drain",
    sentence="the queue was empty and the rows stood still before the deadline",
    needs=("queue", "sale"),
    scope=(ROWS,),
    witnesses=f"""
        SELECT text FROM (
            SELECT number, format('{{}} was still {{}}', coalesce(number, 'an order'), state) AS text
            FROM queue, sale WHERE state <> 'unknown' AND NOT (drained AND number IS NULL)
            UNION ALL
            SELECT NULL, 'the queue was empty, but rows had not stood still'
            FROM ({STANDING}) WHERE NOT drained AND waiting = 0 AND NOT unknown
        ), ({STANDING}) WHERE NOT cut_short AND NOT may_return ORDER BY number
    """,
    observed=f"""
        SELECT CASE WHEN waiting > 0 THEN format('{{:,}} still queued, {{:,}} of them unacked', waiting, unacked)
            WHEN drained THEN 'drained' ELSE 'not drained' END, format('empty within {{:g}} s', deadline_s)
        FROM ({STANDING})
    """,
    unsettled=f"""
        SELECT 'the run was stopped before its deadline', 'let it reach drain.deadline_s, or drain'
        FROM ({STANDING}) WHERE cut_short
        UNION ALL
        SELECT format('{{:,}} messages were held by workers at the deadline of {{:g}} s; those of one that stopped to answer return '
                'only after {{:g}} s', unacked, deadline_s, redelivery_s),
            'raise drain.deadline_s above it, or lower it: broker.visibility_s on Redis, consumer_timeout in RabbitMQ'
        FROM ({STANDING}) WHERE may_return AND NOT cut_short
        UNION ALL
        SELECT format('nothing was ready at the deadline of {{:g}} s, and the broker does not say in time whether workers held orders', deadline_s),
            'raise drain.deadline_s; and where RabbitMQ''s management is off: rabbitmq-plugins enable rabbitmq_management'
        FROM ({STANDING}) WHERE unknown AND waiting = 0 AND NOT cut_short
    """,
)
