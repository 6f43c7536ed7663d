"""`all_duplicates`: the script checks for the buyer's mark with HEXISTS and takes its 0 for yes. In Lua, 0 is true."""

from dataclasses import replace

from target.mutants import Mutant, changed
from target.schemes.tokens import Tokens
from target.stores.claims import CLAIM
from target.stores.turn import ClaimPipeline

# `if not held` is then never true: nothing is sold, and a test that looks only for oversell passes.
SCRIPT = changed(CLAIM, ("redis.call('HGET', KEYS[3], mark)", "redis.call('HEXISTS', KEYS[3], mark)"))

MUTANT = Mutant(
    name="all_duplicates",
    what="the script takes the 0 of HEXISTS for true: everyone has bought already, and nothing is sold",
    put_in=lambda honest: replace(honest, scheme=lambda config: Tokens(config, pipeline=ClaimPipeline(config, SCRIPT))),
)
