"""`off_by_one`: the counter is compared with -1 instead of 0."""

from dataclasses import replace

from target.mutants import Mutant
from target.schemes.redis_counter import RedisCounter


class OffByOne(RedisCounter):
    """Sells to the first buyer who finds no unit left. `redis_counter` has no constraint that would refuse the row."""

    def _is_sold_out(self, left: int) -> bool:
        return left < -1


MUTANT = Mutant(
    name="off_by_one",
    what="the counter may go to -1: one unit more than there is",
    put_in=lambda honest: replace(honest, scheme=OffByOne),
    scheme="redis_counter",
    dispatch="inline",
)
