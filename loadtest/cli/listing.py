"""The command that lists what there is to choose from."""

import click

from loadtest.cli.output import console
from loadtest.errors import UsageError
from loadtest.experiment.files import shipped as shipped_experiments
from loadtest.experiment.names import nearest
from loadtest.experiment.schema import Experiment
from loadtest.manifest.loading import load_shop


@click.command("list")
@click.argument("kind", required=False)
def list_command(kind: str | None) -> None:
    """List what there is to choose from: experiments, schemes, controls, mutants, faults, checks, probes."""
    from loadtest.faults import faults
    from loadtest.judge.checks import CHECKS
    from loadtest.probes import probes

    shop, _ = load_shop(Experiment())
    kinds: dict[str, dict[str, str]] = {
        "experiments": dict.fromkeys(shipped_experiments(), ""),
        "schemes": {name: f"dispatch {' or '.join(s.dispatch)}" for name, s in shop.schemes.items()},
        "controls": {name: f"{proof.what} → {' or '.join(proof.trips)}" for name, proof in shop.controls.items()},
        "mutants": {name: f"{proof.what} → {' or '.join(proof.trips)}" for name, proof in shop.mutants.items()},
        "faults": {name: _first_line(fault) for name, fault in faults().items()},
        "checks": {name: check.sentence for name, check in CHECKS.items()},
        "probes": {name: _first_line(probe) for name, probe in probes().items()},
    }
    if kind is not None and kind not in kinds:
        raise UsageError(f"list {kind!r}: no such kind; {nearest(kind, kinds)}")
    for name in [kind] if kind else kinds:
        console.print(name, style="bold")
        for member, sentence in kinds[name].items():
            console.print(f"  {member:<18} {sentence}", soft_wrap=True)


def _first_line(documented: object) -> str:
    return (documented.__doc__ or "").strip().partition("\n")[0]
