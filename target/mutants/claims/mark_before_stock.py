"""`mark_before_stock`: the script marks the buyer as one who has bought before it knows whether a unit is left."""

from dataclasses import replace

from target.mutants import Mutant, changed
from target.schemes.tokens import Tokens
from target.stores.claims import CLAIM
from target.stores.turn import ClaimPipeline

# The mark of a buyer who got nothing stays, without a number, and turns them away from then on.
SCRIPT = changed(
    CLAIM,
    (
        "      local number = redis.call('LPOP', KEYS[1])\n",
        "      redis.call('HSET', KEYS[3], mark, '')\n      local number = redis.call('LPOP', KEYS[1])\n",
    ),
)

MUTANT = Mutant(
    name="mark_before_stock",
    what="a buyer is marked before the stock is looked at: who clicks twice and gets nothing is told they have bought already",
    put_in=lambda honest: replace(honest, scheme=lambda config: Tokens(config, pipeline=ClaimPipeline(config, SCRIPT))),
)
