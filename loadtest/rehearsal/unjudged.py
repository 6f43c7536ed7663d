"""What a sale with this manifest will judge, and what it cannot: told before one is held."""

from loadtest.experiment.schema import Experiment
from loadtest.judge.checks import CHECKS, Check
from loadtest.judge.declared import Need, Scope
from loadtest.judge.judged import EITHER
from loadtest.manifest.shop import Shop
from loadtest.rehearsal.stage import Stage
from loadtest.rehearsal.telling import Telling
from loadtest.sale.scope import UNTOLD, declared


def tell_unjudged(shop: Shop, experiment: Experiment, stage: Stage, telling: Telling) -> None:
    """How many claims are judged; and a line for each thing that is not declared, with the checks that go without it, and what to add."""
    scope = scope_of(shop, experiment, stage)
    lacks = {name: unmet for name, check in CHECKS.items() if (unmet := unmet_of(check, scope))}
    telling.section("What a sale will judge")
    telling.good(f"{len(CHECKS) - len(lacks)} of {len(CHECKS)} claims", scope.units)
    for need in dict.fromkeys(need for unmet in lacks.values() for need in unmet):
        names = [name for name, unmet in lacks.items() if need in unmet]
        telling.grey(need.lack, f"{', '.join(names)} {'is' if len(names) == 1 else 'are'} not judged")
        telling.detail(need.add)
    wanted = [name for name in ("oversell",) if name in lacks]
    if all(name in lacks for name in EITHER):
        wanted += EITHER
    for need in dict.fromkeys(need for name in wanted for need in lacks[name]):
        telling.wrong("enough can be judged for a verdict", f"too little can be judged: {need.lack}", need.add)


def scope_of(shop: Shop, experiment: Experiment, stage: Stage) -> Scope:
    """What the manifest declares, and the rows turned out to have."""
    final = shop.final_for(experiment.scheme)
    try:
        columns = stage.reader.columns(final.rows)
    except Exception:
        columns = None  # why they cannot be read has been told
    names = frozenset(declared(shop, final, UNTOLD if columns is None else columns))
    return Scope("numbered" if final.seeded else "counted", stage.shop_stack.items(), names, recorded=True)


def unmet_of(check: Check, scope: Scope) -> list[Need]:
    """What the check needs and is not declared."""
    asked = check.counted if check.counted and scope.counted else check
    return [need for need in asked.scope if not need.met(scope)]
