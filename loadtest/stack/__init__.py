"""The stack: the services that a shop needs, embedded or given by the user, and the shop's own processes.

Here live the process supervisor and its guard, embedded PostgreSQL and Redis, the checks on given services, and the start of the shop by its
manifest. What a run samples, records or judges does not belong here. It imports `manifest`, `experiment` and `errors`.
Read first: `external.open_services`, then `shop_stack.ShopStack`.
"""

from dataclasses import dataclass

# The text that a database's comment must contain before a run may prepare a sale in it, which wipes the one before.
TEST_SALE = "test sale"


@dataclass(frozen=True)
class Services:
    """Addresses of the services, as URLs. *Warning:* they may hold passwords: never write them to a run directory."""

    postgres: str
    redis: str
    broker: str
    broker_admin: str = ""  # RabbitMQ's management API; empty if not given
    mysql: str = ""  # empty if not given: none is embedded
