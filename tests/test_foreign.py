"""A shop that is not ours, wrong in ways that the built-in one is not, and odd in ways that are right: each is judged as its manifest says."""

import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from loadtest.campaign.cells import WarmStack, warm_stack
from loadtest.campaign.certify import Certification
from loadtest.experiment.files import load_experiment
from loadtest.manifest.loading import load_shop
from loadtest.stack.external import Given

FOREIGN = Path(__file__).parent / "foreign"
MISTAKES = tomllib.loads((FOREIGN / "shop.toml").read_text(encoding="utf-8"))["mutants"]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarmStack]:
    """Services for all of them."""
    with warm_stack(Given(), tmp_path_factory.mktemp("foreign"), ["pytest"]) as running:
        yield running


@pytest.fixture
def certification(tmp_path: Path) -> Certification:
    """The exhibits of the foreign shop."""
    base = load_experiment(str(FOREIGN / "foreign.toml"))
    return Certification(base, load_shop(base)[0], Given(), tmp_path, lambda _: None, foreign=True)


@pytest.mark.parametrize("name", MISTAKES)
def test_it_is_judged_as_it_deserves(name: str, stack: WarmStack, certification: Certification) -> None:
    exhibit = certification.hold(stack, name)
    assert exhibit.caught, f"{exhibit.tripped}: {exhibit.witness}"


def test_the_honest_one_is_valid(stack: WarmStack, certification: Certification) -> None:
    exhibit = certification.hold_honest(stack)
    assert exhibit.caught, f"{exhibit.tripped}: {exhibit.witness}"


def test_there_are_enough_of_them() -> None:
    assert len(MISTAKES) >= 20
