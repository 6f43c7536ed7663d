"""Certification, but for the sales themselves, which take minutes: `loadtest certify` holds those."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from loadtest.campaign.certify import brisk
from loadtest.campaign.forgeries import FORGERIES, Forgery
from loadtest.cli.main import main
from loadtest.experiment.files import lay_over
from loadtest.experiment.schema import Experiment
from loadtest.judge import certificate
from loadtest.judge.checks import CHECKS
from loadtest.judge.verdict import judge
from loadtest.manifest.loading import load_shop


def test_every_check_has_an_exhibit_that_must_trip_it() -> None:
    shop, _ = load_shop(Experiment())
    tripped = {check for proof in [*shop.controls.values(), *shop.mutants.values()] for check in proof.trips}
    tripped |= {check for forgery in FORGERIES for check in forgery.trips}
    assert set(CHECKS) <= tripped


def test_nothing_must_trip_a_check_that_does_not_exist() -> None:
    shop, _ = load_shop(Experiment())
    for proof in [*shop.controls.values(), *shop.mutants.values(), *FORGERIES]:
        assert set(proof.trips) <= {*CHECKS, "unknown"}


@pytest.fixture(scope="module", params=["redis", "rabbitmq"])
def good(fair, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sale that is to be forged. RabbitMQ does not tell in time whether workers hold orders."""
    sale = fair(stock=3, buyers=8)
    if request.param == "rabbitmq":
        sale.queued(None, "unknown")
    run_dir = sale.write(tmp_path_factory.mktemp("good"))
    assert judge(run_dir).verdict == "VALID"
    return run_dir


@pytest.mark.parametrize("forgery", FORGERIES, ids=lambda forgery: forgery.name)
def test_a_forged_record_is_seen(forgery: Forgery, good: Path, tmp_path: Path) -> None:
    forgery.make(good, tmp_path / "forged")
    verdict = judge(tmp_path / "forged")
    found = {check.name for check in verdict.checks if check.verdict == "INVALID"} or {verdict.verdict.lower()}
    assert found & set(forgery.trips), found


def test_a_certificate_covers_the_checks_as_they_are_and_no_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_dir = tmp_path / "rush" / "1"
    run_dir.mkdir(parents=True)
    assert not certificate.certified(run_dir)
    certificate.issue(tmp_path, ["naive"])
    assert certificate.certified(run_dir)
    monkeypatch.setattr(certificate, "fingerprint", lambda: "another")
    assert not certificate.certified(run_dir)


@pytest.mark.parametrize(("asked_s", "held_s"), [(1, (0.25, 0.1)), (0.05, (0.05, 0.05))])
def test_an_exhibit_waits_no_longer_than_it_must_between_two_looks(asked_s: float, held_s: tuple[float, float]) -> None:
    told = {"arrivals.poll_s": asked_s, "drain.settle_s": asked_s, "stock": 7}
    held = brisk(lay_over(Experiment(), told, "test"))
    assert ((held.arrivals.poll_s, held.drain.settle_s), held.stock) == (held_s, 7)


def test_a_check_that_is_not_there_is_named_with_the_nearest(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["certify", "--only", "oversel", "--out", str(tmp_path)])
    assert (done.exit_code, list(tmp_path.iterdir())) == (2, [])
    assert "--only 'oversel': no such check; nearest valid: 'oversell'" in done.output
