"""`told_too_early`: a second click is told its number although the outbox still has the order."""

from dataclasses import replace

from target.mutants import Mutant, changed
from target.mutants.claims.refused_after_the_click import Refusing
from target.schemes.tokens_reconciled import TokensReconciled
from target.stores.claims import CLAIM
from target.stores.turn import ClaimPipeline

SCRIPT = changed(CLAIM, ("KEYS[4] and answer[1] == 'already_bought'", "false"))

MUTANT = Mutant(
    name="told_too_early",
    what="the script does not ask the outbox whether an order is safe; the broker refuses every tenth after its second click",
    put_in=lambda honest: replace(
        honest,
        scheme=lambda config: TokensReconciled(config, Refusing(config), ClaimPipeline(config, SCRIPT, outbox=True)),
    ),
    scheme="tokens_reconciled",
)
