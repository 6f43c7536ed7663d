"""The environment is read once, whole, and mistakes are named."""

import pytest

from target.config import load
from target.errors import ConfigError

GOOD = {
    "SHOP_DATABASE_URL": "postgresql://u:secret@h/d",
    "SHOP_REDIS_URL": "redis://h/0",
    "SHOP_BROKER_URL": "redis://h/1",
    "SHOP_SALE": "sale",
    "SHOP_STOCK": "200",
}


def test_defaults() -> None:
    config = load(GOOD)
    assert (config.scheme, config.dispatch, config.limiter, config.rate_per_s, config.burst) == (
        "tokens",
        "queued",
        "flat",
        50.0,
        2,
    )
    assert config.per_buyer == 1


def test_the_burst_follows_the_rate_unless_it_is_set() -> None:
    assert load(GOOD | {"SHOP_RATE_PER_S": "400"}).burst == 16
    assert load(GOOD | {"SHOP_RATE_PER_S": "400", "SHOP_BURST": "3"}).burst == 3


def test_the_driver_is_named_whatever_the_default_is() -> None:
    assert load(GOOD | {"SHOP_DATABASE_URL": "postgres://h/d"}).sqlalchemy_url.drivername == "postgresql+psycopg2"


def test_no_broker_is_needed_inline() -> None:
    without = {name: value for name, value in GOOD.items() if name != "SHOP_BROKER_URL"}
    assert load(without | {"SHOP_DISPATCH": "inline"}).broker_url == ""


@pytest.mark.parametrize("name", sorted(GOOD))
def test_a_missing_variable_is_named(name: str) -> None:
    with pytest.raises(ConfigError, match=f"^{name}: required, and not set$"):
        load({key: value for key, value in GOOD.items() if key != name})


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("SHOP_STOCK", "0", "SHOP_STOCK: expected a whole number from 1 to 10000000, found '0'"),
        ("SHOP_STOCK", "many", "SHOP_STOCK: expected a whole number from 1 to 10000000, found 'many'"),
        ("SHOP_SALE", "a b", "SHOP_SALE: expected 1 to 64 letters, digits, _ or -, found 'a b'"),
        ("SHOP_RATE_PER_S", "nan", "SHOP_RATE_PER_S: expected orders a second above 0, found 'nan'"),
        ("SHOP_DISPATCH", "later", "SHOP_DISPATCH: expected queued or inline, found 'later'"),
        ("SHOP_ACK", "never", "SHOP_ACK: expected early or late, found 'never'"),
        ("SHOP_QUEUE_TYPE", "stream", "SHOP_QUEUE_TYPE: expected classic or quorum, found 'stream'"),
        (
            "SHOP_QUEUE_TYPE",
            "quorum",
            "SHOP_QUEUE_TYPE: expected classic with a SHOP_BROKER_URL of Redis, found 'quorum'",
        ),
        ("SHOP_LIMITER", "global", "SHOP_LIMITER: expected none or native or flat or shared, found 'global'"),
        (
            "SHOP_OPENS_AT",
            "2030-01-01",
            "SHOP_OPENS_AT: expected a time such as 2030-11-11T00:00:00+08:00, found '2030-01-01'",
        ),
    ],
)
def test_a_wrong_variable_says_what_was_expected_and_found(name: str, value: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(GOOD | {name: value})
    assert str(caught.value) == said


def test_an_address_is_never_repeated_whole() -> None:
    with pytest.raises(
        ConfigError, match=r"SHOP_DATABASE_URL: expected a URL that begins with postgresql://"
    ) as caught:
        load(GOOD | {"SHOP_DATABASE_URL": "mysql://u:secret@h/d"})
    assert "secret" not in str(caught.value)
