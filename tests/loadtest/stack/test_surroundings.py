import json
import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest
from click.testing import CliRunner

from loadtest.cli.main import main
from loadtest.experiment.schema import Experiment
from loadtest.manifest.loading import load_shop
from loadtest.manifest.shop import Shop
from loadtest.record.run_dir import RunDir
from loadtest.sale.limits import Limits
from loadtest.stack import Services, surroundings
from loadtest.stack.process import Command, Supervisor
from loadtest.stack.shop_stack import on_free_port

FOREIGN = (
    "CELERY_BROKER_URL", "BROKER_URL", "PGHOST", "PGOPTIONS", "PGSERVICEFILE", "REDIS_URL", "DJANGO_SETTINGS_MODULE", "LOCUST_USERS",
    "WEB_CONCURRENCY", "UVICORN_PORT", "MPLBACKEND", "PYTHONSTARTUP", "PYTHONWARNINGS", "PYTHONHASHSEED", "SHOP_MUTANT", "LD_PRELOAD",
    "LOADTEST_POSTGRES",
)  # fmt: skip
SEES = [sys.executable, "-c", "import json, os; print(json.dumps(dict(os.environ)))"]


@pytest.fixture(autouse=True)
def foreign(monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables of other programs."""
    monkeypatch.setattr(surroundings, "_outside", {})
    for name in FOREIGN:
        monkeypatch.setenv(name, "")  # of no consequence to this process
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy")
    monkeypatch.setenv("LC_TIME", "C")


def seen(tmp_path: Path, command: Command) -> dict[str, str]:
    with Supervisor(tmp_path / "logs") as supervisor:
        done = supervisor.run(command, 20)
    assert done.exit_code() == 0, done.log_tail()
    return dict(json.loads(done.log.read_text(encoding="utf-8").splitlines()[-1]))


def shop(**more: object) -> Shop:
    honest, _ = load_shop(Experiment())
    return Shop.model_validate(honest.model_dump(exclude_unset=True) | more)


def prepared(tmp_path: Path, shop: Shop) -> dict[str, str]:
    """What the manifest's own command sees."""
    with Supervisor(tmp_path / "logs") as supervisor:
        on_free_port(Experiment(), shop).prepare(supervisor)
    return dict(json.loads((tmp_path / "logs" / "prepare.log").read_text(encoding="utf-8").splitlines()[-1]))


def test_our_processes_see_the_machine_and_nothing_foreign(tmp_path: Path) -> None:
    found = seen(tmp_path, Command("role", "child", SEES, env={"TOLD": "1"}))
    assert not set(FOREIGN) & set(found)
    assert "HTTPS_PROXY" not in found, "our own processes talk to addresses that they were told, and to no proxy"
    assert (found["PATH"], found["LC_TIME"], found["TOLD"]) == (os.environ["PATH"], "C", "1")


def test_a_command_of_the_manifest_sees_what_it_says_and_the_proxies(tmp_path: Path) -> None:
    found = prepared(tmp_path, shop(prepare={"command": SEES}, env={"SHOP_STOCK": "{stock}"}))
    assert not set(FOREIGN) & set(found)
    assert (found["SHOP_STOCK"], found["HTTPS_PROXY"]) == (str(Experiment().stock), "http://proxy")


def test_what_a_manifest_passes_reaches_its_commands_even_where_it_would_mislead_us(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "mine.settings")
    monkeypatch.setenv("PGHOST", "database")
    surroundings.leave_outside()
    assert "PGHOST" not in os.environ
    named = ("DJANGO_SETTINGS_MODULE", "PGHOST", "NOT_SET_HERE")
    found = prepared(tmp_path, shop(prepare={"command": SEES}, env={}, pass_env=named))
    assert (found["DJANGO_SETTINGS_MODULE"], found["PGHOST"]) == ("mine.settings", "database")
    assert "NOT_SET_HERE" not in found
    assert surroundings.passed_on(named) == {"DJANGO_SETTINGS_MODULE": "mine.settings", "PGHOST": "database"}


def test_a_name_that_cannot_be_a_variable_is_refused() -> None:
    with pytest.raises(ValueError, match="pass_env"):
        shop(pass_env=["A=B"])


def test_the_command_line_connects_where_it_was_told_whatever_libpq_is_told(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in {"PGOPTIONS": "-c nonsense=1", "PGSSLMODE": "verify-full", "PGSERVICE": "none"}.items():
        monkeypatch.setenv(name, text)
    with pytest.raises(psycopg2.Error):
        psycopg2.connect(services.postgres)
    assert CliRunner().invoke(main, ["list", "schemes"]).exit_code == 0
    with closing(psycopg2.connect(services.postgres)) as connection:
        assert connection.info.dbname == "postgres"


def test_a_password_that_only_libpq_was_told_is_missed_aloud(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    password = services.postgres.split(":")[2].split("@")[0]
    monkeypatch.setenv("PGPASSWORD", password)
    told = services.postgres.replace(f":{password}@", "@")
    done = CliRunner().invoke(main, ["run", "--postgres", told])
    assert done.exit_code == 2
    assert "PGPASSWORD" in done.output
    assert "not read here, put what they say into the URL" in done.output
    assert password not in done.output


@pytest.mark.parametrize("name", ["CELERY_BROKER_URL", "CELERY_BROKER_WRITE_URL"])
def test_the_limit_is_told_at_the_broker_of_the_sale(
    name: str, services: Services, closed_port: int, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    monkeypatch.setenv(name, f"redis://127.0.0.1:{closed_port}/0")
    Limits(RunDir(tmp_path), Experiment(), "task", services.broker)._tell(5)
    assert caplog.records == [], "it went elsewhere, where nobody answers"


@pytest.mark.parametrize(
    "name", ["CELERY_BROKER_URL", "CELERY_BROKER_WRITE_URL", "CELERY_RESULT_BACKEND", "BROKER_URL"]
)
def test_the_built_in_shop_uses_the_broker_that_it_was_told(name: str) -> None:
    told = {
        "SHOP_DATABASE_URL": "postgresql://d", "SHOP_REDIS_URL": "redis://r", "SHOP_BROKER_URL": "redis://told:1/0",
        "SHOP_SALE": "s", "SHOP_STOCK": "1",
    }  # fmt: skip
    code = "from target.worker.celery import app; print(app.connection_for_write().hostname, app.connection_for_read().hostname, app.backend)"
    report = [sys.executable, "-m", "celery", "-A", "target.worker.celery", "shell", "--python"]
    done = subprocess.run(
        report,
        env={**os.environ, **told, name: "redis://elsewhere:2/0"},
        input=code,
        capture_output=True,
        text=True,
        check=True,
        encoding="utf-8",
    )
    assert "told told <celery.backends.base.DisabledBackend" in done.stdout
