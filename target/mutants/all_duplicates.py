"""`all_duplicates`: a script that asks whether a mark is there, and takes 0 for yes. In Lua, 0 is true."""

from dataclasses import replace

from target.mutants import Mutant, changed
from target.schemes.tokens import Tokens
from target.stores.claims import CLAIM
from target.stores.turn import ClaimPipeline

# `if not held` is then never so: nobody gets past it, and a test that only looks for oversells passes.
SCRIPT = changed(CLAIM, ("redis.call('HGET', KEYS[3], mark)", "redis.call('HEXISTS', KEYS[3], mark)"))

MUTANT = Mutant(
    name="all_duplicates",
    what="the script takes the 0 of HEXISTS for true: everyone has bought already, and nothing is sold",
    put_in=lambda honest: replace(honest, scheme=lambda config: Tokens(config, pipeline=ClaimPipeline(config, SCRIPT))),
)
