"""`no_buyer_guard`: neither the script nor the table checks how many units a buyer has."""

from dataclasses import replace

from target.mutants import Mutant, changed
from target.schemes.tokens import Tokens
from target.stores.claims import CLAIM
from target.stores.orders import UnguardedOrders
from target.stores.turn import ClaimPipeline

SCRIPT = changed(CLAIM, ("redis.call('HGET', KEYS[3], mark)", "false"))

MUTANT = Mutant(
    name="no_buyer_guard",
    what="a buyer is not asked what they have, and the orders' table does not mind: two clicks are two units",
    put_in=lambda honest: replace(
        honest, scheme=lambda config: Tokens(config, pipeline=ClaimPipeline(config, SCRIPT)), orders=UnguardedOrders
    ),
)
