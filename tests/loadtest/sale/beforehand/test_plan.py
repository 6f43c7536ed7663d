from pathlib import Path

import pytest

from loadtest.errors import UsageError
from loadtest.experiment.files import load_experiment
from loadtest.sale.beforehand.plan import plan
from loadtest.stack.external import Given

MANIFEST = """
name = "least"
[http]
base_url = "http://127.0.0.1:{port}"
[http.buy]
request = "POST /buy"
outcomes = { 200 = "won" }
[truth]
url = "TRUTH"
[final]
rows = { sql = "SELECT 1 AS number" }
"""


@pytest.mark.parametrize(
    ("truth", "said"),
    [
        ("{stack.mysql}", r"truth.url: \{stack.mysql\}: expected a MySQL or MariaDB that is given, .* give --mysql"),
        ("{stack.mysq}", "truth.url: no placeholder"),
        ("mysqll://h/d", r"\[truth\] url: SQLAlchemy knows no database 'mysqll'; nearest valid: 'mysql'"),
        ("sqlite:///:memory:", r"\[truth\] url: a SQLite database in memory is its process's own"),
        ("jdbc:mysql://h/d", r"\[truth\] url: expected the URL of a database, such as mysql://"),
    ],
)
def test_a_truth_that_nobody_can_read_is_refused_before_anything_starts(tmp_path: Path, truth: str, said: str) -> None:
    (tmp_path / "shop.toml").write_text(MANIFEST.replace("TRUTH", truth), encoding="utf-8")
    experiment = load_experiment("rush", [f"shop={tmp_path}/shop.toml", "dispatch=inline", "buyers=9", "stock=3"])
    with pytest.raises(UsageError, match=said) as error:
        plan(experiment, Given())
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "truth",
    [
        "{stack.postgres}", "sqlite:///{scratch}/shop.db", "sqlite+aiosqlite:///{here}/shop.db", "mysql://u:p%40@h/d",
        "postgresql+asyncpg://{stack.postgres.user}:{stack.postgres.password}@{stack.postgres.host}:{stack.postgres.port}/shop",
    ],
)  # fmt: skip
def test_a_truth_of_a_known_kind_is_planned_with(tmp_path: Path, truth: str) -> None:
    (tmp_path / "shop.toml").write_text(MANIFEST.replace("TRUTH", truth), encoding="utf-8")
    experiment = load_experiment("rush", [f"shop={tmp_path}/shop.toml", "dispatch=inline", "buyers=9", "stock=3"])
    assert plan(experiment, Given()).shop.truth.url == truth
