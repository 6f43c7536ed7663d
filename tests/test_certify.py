"""Whole exhibits: what certify says of a check that sees nothing."""

from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from loadtest.cli.main import main
from loadtest.judge.checks import CHECKS


def test_a_blinded_check_is_named_and_certifies_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blind = replace(CHECKS["duplicate"], witnesses="SELECT 'nothing' AS text WHERE false")
    monkeypatch.setitem(CHECKS, "duplicate", blind)
    swift = ("--set", "limiter.kind=none", "--set", "arrivals.poll_s=0.2", "--set", "drain.settle_s=0.1")
    done = CliRunner().invoke(main, ["certify", "--no-report", "--only", "duplicate", *swift, "--out", str(tmp_path)])
    assert done.exit_code == 1, done.output
    assert "NOT CERTIFIED" in done.output
    assert "check duplicate did not trip on mutant no_unique" in done.output
    assert not (tmp_path / "certificate.json").exists()
