"""The stock schemes: one way of selling a file. To add one: a file with a class like `Scheme`, and a line in `SCHEMES`.

docs/adding-a-scheme.md walks through it.
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
        """Sell one unit to `buyer`: its order number, once the order is safe.

        Raises:
            SoldOut, AlreadyBought: nothing was taken.
            Unavailable: the order may stand (`NotSent`: it does not, and the unit is back).
            Rejected: the database refused the order for good.
        """

    async def status(self, number: str, buyer: str | None) -> State | None:
        """What became of an order, of that buyer if one is given; None for one that nobody holds. Raises Unavailable."""

    async def left(self) -> int:
        """How many units nobody has. Raises Unavailable."""

    async def close(self) -> None:
        """Give threads and connections back."""


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

# Who writes the rows of queued orders, where it is not `Orders`.
PLACING: dict[str, Callable[[Config, int], Placing]] = {"redis_counter": UnguardedOrders}


def open_scheme(config: Config) -> Scheme:
    """The scheme that `config` names. Nothing is connected before it is used.

    Raises:
        ConfigError: no such scheme, or one that does not offer the dispatch.
    """
    if config.scheme not in SCHEMES:
        raise ConfigError(f"SHOP_SCHEME: expected {' or '.join(sorted(SCHEMES))}, found {config.scheme!r}")
    return SCHEMES[config.scheme](config)


def open_orders(config: Config, connections: int) -> Placing:
    """What places the queued orders of the scheme that `config` names, over at most that many connections."""
    return PLACING.get(config.scheme, Orders)(config, connections)
