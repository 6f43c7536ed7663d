"""The limiter: how fast a Celery worker starts tasks, one by one or in batches.

`consumer`, `pace`, `felt` and `batch` know nothing of the shop and can be used with any Celery application; only `budget`, one rate for
all workers kept in Redis, knows a sale. What a task does must not be here. Imports `stores` and what is below it.
Read first: `consumer.Consumer`, then `pace.Gcra`, the smallest pace that limits.
"""
