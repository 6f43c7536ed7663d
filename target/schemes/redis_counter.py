"""`redis_counter`: a counter in Redis that each purchase decrements, and orders in a table without constraints. A control."""

import redis.asyncio
from redis import RedisError
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from target.config import Config
from target.errors import SoldOut, Unavailable
from target.queue.dispatch import Dispatch, Inline, Queued
from target.stores import claims, database
from target.stores.claims import Claim, Keys, State
from target.stores.orders import UnguardedOrders
from target.stores.turn import ClaimPipeline

CONNECTIONS = 16


class RedisCounter:
    """DECR, whose result tells which unit was sold; then the claim is recorded, then the order is queued or its row written.

    *Warning:* DECR never sells a unit twice, but that is all. The counter goes on below zero. Nothing checks the buyer: whoever
    asks twice has two units. A failure after DECR leaks the unit: incrementing again would give back another one, that of the last
    buyer. And as its table has no constraints, an order that the queue delivers twice has two rows.
    """

    def __init__(self, config: Config, dispatch: Dispatch | None = None) -> None:
        self._config = config
        self._keys = Keys.of(config.sale)
        self._redis = _connect(config)
        self._pipeline = ClaimPipeline(config)
        self._dispatch = dispatch or (
            Queued(config) if config.dispatch == "queued" else Inline(config, UnguardedOrders(config, config.db_pool))
        )

    def prepare(self) -> None:
        """See `Scheme.prepare`."""
        with database.connect(self._config, 1).connect() as connection:
            database.reset(connection, self._config)
        with claims.connect(self._config) as client:
            claims.seed(client, self._keys, [])
            client.set(self._keys.counter, self._config.stock)

    async def buy(self, buyer: str) -> str:
        """See `Scheme.buy`. Never raises AlreadyBought."""
        try:
            left = int(await self._redis.decr(self._keys.counter))
            if self._is_sold_out(left):
                raise SoldOut("sold out")
            claim = Claim(self._config.number(self._config.stock - left), buyer)
            await self._redis.hset(self._keys.claims, claim.number, buyer)
        except RedisError as error:
            raise Unavailable(f"Redis did not answer: {error}") from error
        await self._dispatch.send(claim)
        return claim.number

    async def status(self, number: str, buyer: str | None) -> State | None:
        """See `Scheme.status`."""
        return await self._pipeline.look(number, buyer)

    async def left(self) -> int:
        """See `Scheme.left`."""
        try:
            return max(0, int(await self._redis.get(self._keys.counter) or 0))
        except RedisError as error:
            raise Unavailable(f"Redis did not answer: {error}") from error

    async def close(self) -> None:
        """See `Scheme.close`."""
        await self._dispatch.close()
        await self._pipeline.close()
        await self._redis.aclose()

    def _is_sold_out(self, left: int) -> bool:
        return left < 0


def _connect(config: Config) -> redis.asyncio.Redis:
    """A client without retries (see `claims.connect`). Requests wait for one of its CONNECTIONS; redis-py's default pool would raise."""
    pool = redis.asyncio.BlockingConnectionPool.from_url(
        config.redis_url,
        max_connections=CONNECTIONS,
        timeout=None,
        decode_responses=True,
        socket_timeout=config.timeout_s,
        socket_connect_timeout=config.timeout_s,
        retry=Retry(NoBackoff(), 0),
    )
    return redis.asyncio.Redis.from_pool(pool)
