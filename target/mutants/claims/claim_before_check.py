"""`claim_before_check`: the script pops a number before it checks whether the buyer already has one."""

from dataclasses import replace

from target.mutants import Mutant, changed
from target.schemes.tokens import Tokens
from target.stores.claims import CLAIM
from target.stores.turn import ClaimPipeline

# The number that a second click pops is neither assigned nor put back.
SCRIPT = changed(
    CLAIM,
    ("      local number = redis.call('LPOP', KEYS[1])\n", ""),
    ("    local held =", "    local number = redis.call('LPOP', KEYS[1])\n    local held ="),
)

MUTANT = Mutant(
    name="claim_before_check",
    what="a number is popped before the buyer's mark is looked at: each second click loses one",
    put_in=lambda honest: replace(honest, scheme=lambda config: Tokens(config, pipeline=ClaimPipeline(config, SCRIPT))),
)
