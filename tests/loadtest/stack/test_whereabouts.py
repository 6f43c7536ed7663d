import sys
from pathlib import Path

import pytest

from loadtest.errors import UsageError
from loadtest.experiment.schema import Experiment
from loadtest.manifest.loading import load_shop
from loadtest.manifest.shop import Shop
from loadtest.stack import Services
from loadtest.stack.shop_stack import ShopStack
from loadtest.stack.whereabouts import Whereabouts, uses_postgres

SERVICES = Services(
    "postgresql://shop:p%40ss@db.example:6543/sales",
    "redis://:geheim@127.0.0.1:7000/3",
    "amqp://guest:guest@127.0.0.1/flash%2Fsale",
    mysql="mysql+pymysql://root@127.0.0.1/shop",
)


def stack(services: Services = SERVICES, **keys: object) -> ShopStack:
    honest, _ = load_shop(Experiment())
    shop = Shop.model_validate(honest.model_dump(exclude_unset=True, by_alias=True) | keys)
    return ShopStack(Experiment(), shop, services, 8000, Path("/the/manifest"), Path("/the/scratch"))


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("{stack.postgres}", SERVICES.postgres),
        ("{stack.postgres.url}", SERVICES.postgres),
        ("{stack.postgres.host}:{stack.postgres.port}/{stack.postgres.database}", "db.example:6543/sales"),
        ("{stack.postgres.user} {stack.postgres.password}", "shop p@ss"),
        ("{stack.redis.host} {stack.redis.port} {stack.redis.database} {stack.redis.password}", "127.0.0.1 7000 3 geheim"),
        ("{stack.broker.port} {stack.broker.database} {stack.broker.user}", "5672 flash/sale guest"),
        ("jdbc:mysql://{stack.mysql.host}:{stack.mysql.port}/{stack.mysql.database}", "jdbc:mysql://127.0.0.1:3306/shop"),
        ("{here}/schema.sql > {scratch}/shop.db", "/the/manifest/schema.sql > /the/scratch/shop.db"),
    ],
)  # fmt: skip
def test_addresses_come_whole_or_in_parts(text: str, filled: str) -> None:
    assert stack().whereabouts.fill(text, "here") == filled


def test_the_environment_of_commands_is_filled() -> None:
    found = stack(env={"DB_PORT": "{stack.postgres.port}", "FILE": "{scratch}/x"}).whereabouts.environment
    assert (found["DB_PORT"], found["FILE"]) == ("6543", "/the/scratch/x")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{stack.mysql.host}", r"env.X: \{stack.mysql.host\}: expected a MySQL or MariaDB that is given, for none is embedded"),
        ("{stack.postgres.hots}", r"env.X: no placeholder \{stack.postgres.hots\}; nearest valid: 'stack.postgres.host'"),
    ],
)  # fmt: skip
def test_what_is_not_there_is_told_with_what_to_do(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        stack(Services("", "", ""), env={"X": text}).check()


def test_items_have_their_units() -> None:
    assert stack(units={"items": {"sku-1": 100, "sku-2": "{stock}"}}).items() == {
        "sku-1": 100,
        "sku-2": Experiment().stock,
    }
    with pytest.raises(UsageError, match=r"units.items: sku-1 = 'many': expected a whole number, found 'many'"):
        stack(units={"items": {"sku-1": "many"}}).check()


@pytest.mark.parametrize(
    ("key", "where"),
    [
        ({"reset": {"command": ["{pyton}"]}}, "reset.command"),
        ({"truth": {"url": "{stack.postgre}"}}, "truth.url"),
        ({"queue": {"kind": "command", "command": ["{pyton}"]}}, "queue.command"),
        ({"final": {"seeded": {"pattern": "{n}"}, "rows": {"command": ["{pyton}"]}}}, "final.rows.command"),
    ],
)
def test_every_command_is_looked_at_beforehand(key: dict[str, object], where: str) -> None:
    with pytest.raises(UsageError, match=f"{where}: no placeholder"):
        stack(schemes={}, **key).check()


@pytest.mark.parametrize(
    ("keys", "used"),
    [
        ({}, True),
        ({"env": {}, "prepare": [], "final": {"rows": {"redis_hash": "x"}}}, False),
        ({"env": {}, "prepare": [], "final": {"rows": {"sql": "SELECT 1"}}}, True),
        ({"env": {}, "final": {"rows": {"sql": "SELECT 1"}}, "truth": {"url": "sqlite:///x"}}, False),
        ({"env": {"PORT": "{stack.postgres.port}"}, "final": {"rows": {"redis_hash": "x"}}}, True),
        ({"env": {}, "final": {"rows": {"command": ["psql", "{stack.postgres}"]}}}, True),
        (
            {"env": {}, "final": {"rows": {"redis_hash": "x"}}, "reset": {"command": ["psql", "{stack.postgres.url}"]}},
            True,
        ),
    ],
)
def test_postgres_is_there_for_who_names_it(keys: dict[str, object], used: bool) -> None:
    assert uses_postgres(stack(**{"schemes": {}, **keys} if keys else {}).shop) is used


WHEREABOUTS = Whereabouts(SERVICES, {"word": "filled"}, {"SHOWN": "yes"})


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_a_command_gives_what_it_prints_in_an_environment_of_its_own() -> None:
    code = "import os; print(os.environ['SHOWN'], os.environ.get('HOME'), '{word}')"
    assert WHEREABOUTS.output(python(code), "final.rows", 10) == "yes None filled\n"


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (python("import sys; sys.exit('no such table redis://u:geheim@h')"), r"ended with 1: no such table redis://u:\*\*\*@h; run it by hand"),
        (python("raise SystemExit(3)"), "ended with 3: it said nothing"),
        (["/nowhere/at-all"], "final.rows: cannot run '/nowhere/at-all': No such file or directory"),
        (["sh", "-c", "sleep 60 & sleep 60"], "final.rows: 'sh' did not end within 0.3 s"),
    ],
)  # fmt: skip
def test_a_command_that_fails_says_why_in_one_line(command: list[str], said: str) -> None:
    with pytest.raises(UsageError, match=said) as error:
        WHEREABOUTS.output(command, "final.rows", 0.3 if command[0] == "sh" else 10)
    assert "\n" not in str(error.value)
