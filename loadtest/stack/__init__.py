"""The services that a shop stands on, embedded or given, and the processes of the shop."""

from dataclasses import dataclass

# What the comment of a database must hold before anything is prepared in it.
TEST_SALE = "test sale"


@dataclass(frozen=True)
class Services:
    """Addresses of the three services, as URLs. *Warning:* they may hold passwords: never write them to a run directory."""

    postgres: str
    redis: str
    broker: str
    broker_admin: str = ""  # RabbitMQ's management, where it was given
