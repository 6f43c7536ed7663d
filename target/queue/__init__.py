"""The queue of orders: Celery's settings, sending an order, emptying the queue, and RabbitMQ's user and vhost.

The task that workers run is not here (`target.worker.tasks`), nor how fast they may start orders (`target.limiter`). Imports `limiter`
and what is below it. Read first: `dispatch.Dispatch`, the contract of sending; then `celery.create_celery`, the settings.
"""
