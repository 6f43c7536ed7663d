"""The shops in examples/: each is valid as it is, with what its manifest lets be judged; each of its mistakes is found, and as large as SQL says."""

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from loadtest.campaign.cells import WarmStack, warm_stack
from loadtest.campaign.certify import Certification
from loadtest.experiment.files import load_experiment
from loadtest.judge.verdict import Verdict, read_verdict
from loadtest.manifest.loading import load_shop
from loadtest.stack.external import Given
from tests.conftest import rabbitmqctl
from tests.needs import listens, need, need_program

EXAMPLES = Path(__file__).parent.parent / "examples"
NAMES = sorted(manifest.parent.name for manifest in EXAMPLES.glob("*/shop.toml"))
MANIFESTS = {name: (EXAMPLES / name / "shop.toml").read_text(encoding="utf-8") for name in NAMES}
MISTAKES = [(name, mistake) for name in NAMES for mistake in tomllib.loads(MANIFESTS[name])["mutants"]]

# What cannot be judged, because rows have no buyer, and nobody can ask what became of an order.
NOT_JUDGED = {"counter": {"wrong_owner", "per_buyer", "phantom", "lockout", "told_untrue"}}
# How many were sold.
ROWS = {
    "counter": "SELECT count(*) FROM orders",
    "code_jwt": "SELECT count(*) FROM seckill_order",
    "django_celery": "SELECT count(*) FROM tickets_order",
    "node_queue": "SELECT count(*) FROM orders",
}
# What is wrong with a sale: the check that says so, in which words, and SQL that counts the same.
TWICE = "SELECT count(*) FROM (SELECT {0} FROM {1} GROUP BY {0} HAVING count(*) > 1) twice"
WRONG = {
    "naive": ("oversell", "{} oversold", "SELECT count(*) - 50 FROM orders"),
    "saves_later": ("lost", "{} lost", "SELECT 50 - count(*) FROM orders"),
    "shared_snowflake": ("duplicate", "{} numbers twice", TWICE.format("order_no", "seckill_order")),
    "check_then_write": ("oversell", "{} oversold", "SELECT count(*) - 50 FROM seckill_order"),
    "answers_first": ("lost", "{} lost", "SELECT 50 - count(*) FROM tickets_order"),
    "retries_without_unique": ("duplicate", "{} numbers twice", TWICE.format("number", "tickets_order")),
    "pops_first": ("leaked", "{} leaked", "SELECT 50 - count(*) FROM tickets_order"),
    "check_then_act": ("oversell", "{} oversold", "SELECT count(*) - 50 FROM orders"),
    "trusts_the_button": ("per_buyer", "{} buyers over the cap", TWICE.format("user_id", "orders")),
    "swallows": ("lost", "{} lost", "SELECT 50 - count(*) FROM orders"),
}


@pytest.fixture(scope="module")
def rabbitmq_of_its_own() -> Iterator[tuple[str, ...]]:
    """The address of a vhost that the setup of django_celery has made; none where no RabbitMQ listens."""
    if not listens(5672):
        yield ()
        return
    name = f"boxoffice-{os.getpid()}"
    set_up("django_celery", name)
    yield (f"amqp://{name}:boxoffice@127.0.0.1:5672/{name}",)
    rabbitmqctl("delete_vhost", name)
    rabbitmqctl("delete_user", name)


@pytest.fixture(scope="module")
def mariadb_of_its_own() -> Iterator[str | None]:
    """The address of a database that the setup of code_jwt has made; None where no MariaDB listens."""
    if not listens(3306):
        yield None
        return
    name = f"seckill_{os.getpid()}"
    set_up("code_jwt", name)
    yield f"mysql+pymysql://{name}:seckill@127.0.0.1:3306/{name}"
    drop = f"DROP DATABASE {name}; DROP USER '{name}'@'%', '{name}'@'localhost'"
    subprocess.run(["mariadb", "--user=root", "--execute", drop], check=True)


@pytest.fixture(scope="module")
def given(rabbitmq_of_its_own: tuple[str, ...], mariadb_of_its_own: str | None) -> Given:
    """What the examples need beside what is embedded, as far as it is there."""
    return Given(brokers=rabbitmq_of_its_own, mysql=mariadb_of_its_own)


@pytest.fixture(scope="module")
def stack(given: Given, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarmStack]:
    """Services for all of them."""
    with warm_stack(given, tmp_path_factory.mktemp("examples"), ["pytest"]) as running:
        yield running


@pytest.fixture
def sale(request: pytest.FixtureRequest, given: Given, tmp_path: Path) -> "Sale":
    """The sale of the example that the test is about."""
    name = request.getfixturevalue("name")
    if name == "django_celery":
        need(given.brokers, "a RabbitMQ on 127.0.0.1:5672", "apt install rabbitmq-server, and start it")
    if name == "code_jwt":
        need(given.mysql, "a MariaDB on 127.0.0.1:3306", "apt install mariadb-server, and start it")
    if name == "node_queue":
        need_program("npm", package="nodejs npm")
    install(name)
    return Sale(name, given, tmp_path)


class Sale:
    """Sales of one example, and what its database says of them."""

    def __init__(self, name: str, given: Given, directory: Path) -> None:
        self.name, self.directory = name, directory
        base = load_experiment(str(self._kept() / "sale.toml"))
        self.certification = Certification(
            base, load_shop(base)[0], given, directory / "runs", lambda _: None, foreign=True
        )

    def _kept(self) -> Path:
        """The folder of an example: a copy where it keeps its orders in a file, which is to be there when the sale is over."""
        if "{scratch}" not in MANIFESTS[self.name]:
            return EXAMPLES / self.name
        manifest = (
            MANIFESTS[self.name].replace("{scratch}", str(self.directory)).replace("{here}", str(EXAMPLES / self.name))
        )
        (self.directory / "shop.toml").write_text(manifest, encoding="utf-8")
        (self.directory / "sale.toml").write_bytes((EXAMPLES / self.name / "sale.toml").read_bytes())
        return self.directory

    @property
    def manifest(self) -> Path:
        """Its manifest."""
        return self._kept() / "shop.toml"

    def verdict(self) -> Verdict:
        """Of the one sale that was held."""
        (path,) = (self.directory / "runs" / "cells").iterdir()
        return read_verdict(path)

    def count(self, stack: WarmStack, sql: str) -> Any:
        """What the database of the shop says."""
        urls = {"counter": f"sqlite:///{self.directory}/drop.db", "code_jwt": stack.services.mysql}
        postgres = stack.services.postgres.replace("postgresql:", "postgresql+psycopg2:")
        engine = create_engine(urls.get(self.name, postgres))
        with engine.connect() as connection:
            found = connection.execute(text(sql)).scalar_one()
        engine.dispose()
        return found


def install(name: str) -> None:
    """As `make run-example` does."""
    surroundings = {key: value for key, value in os.environ.items() if not key.startswith(("MAKE", "MFLAGS"))}
    done = subprocess.run(
        ["make", "--silent", f"PYTHON={sys.executable}", f"install-example-{name}"], cwd=EXAMPLES.parent,
        env=surroundings, capture_output=True, text=True, check=False, encoding="utf-8",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def set_up(name: str, room: str) -> None:
    """Run an example's setup.sh, for a room of that name."""
    done = subprocess.run(
        [EXAMPLES / name / "setup.sh", room], capture_output=True, text=True, check=False, encoding="utf-8"
    )
    assert done.returncode == 0, done.stdout + done.stderr


# First, while no other run holds the services that are given.
@pytest.mark.parametrize("name", NAMES)
def test_check_finds_its_manifest_sound(name: str, sale: Sale, given: Given) -> None:
    needed = {"code_jwt": ("--mysql", given.mysql), "django_celery": ("--broker", *given.brokers)}.get(name, ())
    done = subprocess.run(
        [sys.executable, "-m", "loadtest", "check", str(sale.manifest), *map(str, needed)],
        capture_output=True, text=True, check=False, cwd=EXAMPLES.parent, encoding="utf-8",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "is sound" in done.stdout


@pytest.mark.parametrize("name", NAMES)
def test_the_honest_one_is_valid(name: str, sale: Sale, stack: WarmStack) -> None:
    exhibit = sale.certification.hold_honest(stack)
    assert exhibit.caught, f"{exhibit.tripped}: {exhibit.witness}"
    assert sale.verdict().counts.sold == sale.count(stack, ROWS[name]) == 50
    assert NOT_JUDGED.get(name, set()) == {
        finding.name for finding in sale.verdict().checks if finding.verdict == "NOT_JUDGED"
    }


@pytest.mark.parametrize(("name", "mistake"), MISTAKES)
def test_a_mistake_is_found_and_as_large_as_sql_says(name: str, mistake: str, sale: Sale, stack: WarmStack) -> None:
    exhibit = sale.certification.hold(stack, mistake)
    assert exhibit.caught, f"{exhibit.tripped}: {exhibit.witness}"
    check, said, sql = WRONG[mistake]
    (finding,) = (finding for finding in sale.verdict().checks if finding.name == check)
    by_hand = sale.count(stack, sql)
    assert by_hand > 0
    assert re.search(rf"\b{said.format(f'{by_hand:,}')}", finding.observed), (by_hand, finding.observed)
