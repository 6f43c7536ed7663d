"""The queue's workers: their Celery application (`celery`) and the one task, which places an order (`tasks`).

Celery's settings are not here (`target.queue.celery`: publishers share them), nor how fast orders may start (`target.limiter`), nor
the SQL (`target.stores.orders`). Imports `assembly` and what is below it, but nothing of `api`.
Read first: `tasks.place_order`.
"""
