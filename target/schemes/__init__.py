"""The stock schemes: the ways of selling the stock, one a file. Each is a class with the five methods of `Scheme`.

To add one: a file, and a line in `SCHEMES` (docs/adding-a-scheme.md). HTTP must not be here (`target.api`), nor deliberate mistakes
(`target.mutants`). Imports `queue` and what is below it. Read first: `Scheme`, then `tokens`; the smallest member is `conditional_update`.
"""

from collections.abc import Callable
from typing import Protocol

from target.config import Config
from target.errors import ConfigError
from target.schemes.conditional_update import ConditionalUpdate
from target.schemes.naive import Naive
from target.schemes.optimistic import Optimistic
from target.schemes.redis_counter import RedisCounter
from target.schemes.row_lock import RowLock
from target.schemes.skip_locked import SkipLocked
from target.schemes.tokens import Tokens
from target.schemes.tokens_reconciled import TokensReconciled
from target.stores.claims import State
from target.stores.orders import Orders, Placing, UnguardedOrders


class Scheme(Protocol):
    """Sells the units of one sale. `prepare` blocks and runs in a process of its own; the rest runs in the event loop."""

    def prepare(self) -> None:
        """Make the sale ready: nothing sold, every unit up for sale. Leaves the same state however often it runs."""

    async def buy(self, buyer: str) -> str:
        """Sell one unit to `buyer`; returns its order number once the order is safe: the row is committed, or the queue has the order.

        Raises:
            SoldOut, AlreadyBought: nothing was taken.
            Unavailable: the order may stand. Its subclass `NotSent`: it does not, and the unit is for sale again.
            Rejected: the database refused the order for good.
        """

    async def status(self, number: str, buyer: str | None) -> State | None:
        """The state of order `number`, of `buyer` if one is given; None if nobody holds such an order. Raises Unavailable."""

    async def left(self) -> int:
        """How many units are still for sale. Raises Unavailable."""

    async def close(self) -> None:
        """End the threads and close the connections."""


SCHEMES: dict[str, Callable[[Config], Scheme]] = {
    "naive": Naive,
    "row_lock": RowLock,
    "conditional_update": ConditionalUpdate,
    "optimistic": Optimistic,
    "skip_locked": SkipLocked,
    "redis_counter": RedisCounter,
    "tokens": Tokens,
    "tokens_reconciled": TokensReconciled,
}

# What writes the rows of queued orders, for the schemes where it is not `Orders`.
PLACING: dict[str, Callable[[Config, int], Placing]] = {"redis_counter": UnguardedOrders}


def open_scheme(config: Config) -> Scheme:
    """The scheme that `config` names. It connects on first use.

    Raises:
        ConfigError: no such scheme, or the scheme does not offer the configured dispatch.
    """
    if config.scheme not in SCHEMES:
        raise ConfigError(f"SHOP_SCHEME: expected {' or '.join(sorted(SCHEMES))}, found {config.scheme!r}")
    return SCHEMES[config.scheme](config)


def open_orders(config: Config, connections: int) -> Placing:
    """What writes the rows of queued orders for the scheme that `config` names, over at most `connections` database connections."""
    return PLACING.get(config.scheme, Orders)(config, connections)
