"""A shop for members, from log-in to the last poll: judged by what its answers mean, and never blamed for what its manifest gets wrong."""

import json
import shutil
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from loadtest.campaign.cells import WarmStack, warm_stack
from loadtest.campaign.certify import Certification
from loadtest.experiment.files import load_experiment
from loadtest.experiment.schema import Experiment
from loadtest.manifest.loading import load_shop
from loadtest.stack.external import Given

FOREIGN = Path(__file__).parent / "foreign"
MISTAKES = tomllib.loads((FOREIGN / "members.toml").read_text(encoding="utf-8"))["mutants"]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarmStack]:
    """Services for all of them."""
    with warm_stack(Given(), tmp_path_factory.mktemp("members"), ["pytest"]) as running:
        yield running


@pytest.fixture
def certification(tmp_path: Path) -> Certification:
    """The exhibits of the members' shop."""
    return exhibits(load_experiment(str(FOREIGN / "members-sale.toml")), tmp_path)


def exhibits(base: Experiment, out: Path) -> Certification:
    return Certification(base, load_shop(base)[0], Given(), out, lambda _: None, foreign=True)


@pytest.mark.parametrize("name", MISTAKES)
def test_it_is_judged_as_it_deserves(name: str, stack: WarmStack, certification: Certification) -> None:
    exhibit = certification.hold(stack, name)
    assert exhibit.caught, f"{exhibit.tripped}: {exhibit.witness}"


def test_the_honest_one_is_valid_and_nobodys_password_is_kept(
    stack: WarmStack, certification: Certification, tmp_path: Path
) -> None:
    exhibit = certification.hold_honest(stack)
    assert exhibit.caught, f"{exhibit.tripped}: {exhibit.witness}"
    [shard] = tmp_path.rglob("answers/*.jsonl")
    kept = [json.loads(line) for line in shard.read_text(encoding="utf-8").splitlines()]
    counts: Counter[tuple[Any, ...]] = Counter()
    for each in kept:
        counts[each["kind"], each["outcome"]] += each["n"]
    assert (counts["before", "ok"], counts["buy", "accepted"] + counts["buy", "sold_out"]) == (80, 40)
    assert counts["status", "confirmed"] == 10
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or b"p w&" not in path.read_bytes(), path
        assert path.name != "members.csv"


# A line of the manifest, what stands there instead, and what the verdict must say of it.
MANIFESTS = {
    "wrong code": ('json = { code = 0 }, is = "accepted"', 'json = { code = 1 }, is = "accepted"', "HTTP 200, no rule"),
    "wrong path": ('request = "POST /{path}"', 'request = "POST /buy/{path}"', "403"),
    "wrong field": ('phone = "{buyer}"', 'phone = "1{buyer}"', "wrong phone or password"),
}


@pytest.mark.parametrize("name", MANIFESTS)
def test_a_wrong_manifest_is_not_the_shops_fault(name: str, stack: WarmStack, tmp_path: Path) -> None:
    right, wrong, said = MANIFESTS[name]
    base = changed(tmp_path, right, wrong)
    exhibit = exhibits(base, tmp_path / "runs").hold_honest(stack)
    [verdict] = tmp_path.rglob("verdict.json")
    told = verdict.read_text(encoding="utf-8")
    assert json.loads(told)["verdict"] == "UNKNOWN", f"{exhibit.tripped}: {exhibit.witness}"
    [history] = tmp_path.rglob("history/*.jsonl")
    assert said in told or said in history.read_text(encoding="utf-8", errors="replace")


def changed(folder: Path, right: str, wrong: str) -> Experiment:
    """The sale, by a manifest in which something is different."""
    for name in ("members.py", "members.csv", "members-sale.toml"):
        shutil.copy(FOREIGN / name, folder / name)
    manifest = (FOREIGN / "members.toml").read_text(encoding="utf-8")
    assert right in manifest
    (folder / "members.toml").write_text(manifest.replace(right, wrong), encoding="utf-8")
    return load_experiment(str(folder / "members-sale.toml"), [f"shop={folder / 'members.toml'}"])
