"""Reads the manifest that an experiment names, and holds it against that experiment."""

from pathlib import Path

from loadtest.errors import UsageError
from loadtest.experiment.files import find_file
from loadtest.experiment.names import nearest
from loadtest.experiment.schema import Experiment
from loadtest.experiment.section import parse, read_toml
from loadtest.manifest.elsewhere import INSTEAD
from loadtest.manifest.marks import refuse_marks
from loadtest.manifest.naming import check_names
from loadtest.manifest.shop import Shop


def load_shop(experiment: Experiment) -> tuple[Shop, Path]:
    """The manifest that `experiment` names, checked against it, and the file it came from.

    Raises:
        UsageError: no such file, a wrong key or value, or a scheme or dispatch that the shop does not offer.
    """
    path = find_file(experiment.shop)
    data = read_toml(path)
    refuse_marks(path)
    shop = parse(Shop, data, str(path), INSTEAD)
    check_names(shop, path)
    if experiment.mutant and experiment.mutant not in shop.mutants:
        raise UsageError(
            f"mutant = {experiment.mutant!r}: {path.name} knows no such mutant; {nearest(experiment.mutant, shop.mutants)}"
        )
    if not shop.schemes:
        return shop, path
    if experiment.scheme not in shop.schemes:
        raise UsageError(
            f"scheme = {experiment.scheme!r}: {path.name} offers no such scheme; {nearest(experiment.scheme, shop.schemes)}"
        )
    scheme = shop.schemes[experiment.scheme]
    if experiment.dispatch not in scheme.dispatch:
        reason = f" ({scheme.why})" if scheme.why else ""
        raise UsageError(
            f"dispatch = {experiment.dispatch!r}: scheme {experiment.scheme!r} offers {' and '.join(scheme.dispatch)}{reason}; "
            "set dispatch to that"
        )
    return shop, path
