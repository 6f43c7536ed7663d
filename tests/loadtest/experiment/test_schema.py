import tomllib
from pathlib import Path

import pytest

from loadtest.errors import UsageError
from loadtest.experiment.files import load_experiment
from loadtest.experiment.schema import Experiment


def refused(*overrides: str, name: str = "rush") -> str:
    with pytest.raises(UsageError) as error:
        load_experiment(name, overrides)
    message = str(error.value)
    assert "\n" not in message, "one line"
    return message


def test_the_shipped_rush_is_the_sale_of_the_article() -> None:
    rush = load_experiment("rush")
    assert (rush.stock, rush.buyers, rush.scheme, rush.configured_per_s) == (200, 1000, "tokens", 50)


def test_an_override_is_read_as_toml_would() -> None:
    rush = load_experiment(
        "rush", ["stock=5000", "limiter.rate_per_s=12.5", "scheme=naive", 'thresholds=["p99_ms < 200"]']
    )
    assert (rush.stock, rush.limiter.rate_per_s, rush.scheme, rush.thresholds) == (
        5000,
        12.5,
        "naive",
        ("p99_ms < 200",),
    )


@pytest.mark.parametrize(
    ("override", "parts"),
    [
        ("stok=10", ["'stok'", "nearest valid: 'stock'"]),
        ("rate_per_s=10", ["nearest valid: 'arrivals.rate_per_s' or 'limiter.rate_per_s'"]),
        ("limiter.rate=10", ["nearest valid: 'limiter.rate_per_s'"]),
        ("stock=0", ["stock = 0", "greater than or equal to 1"]),
        ("stock=-3", ["stock = -3"]),
        ("stock=ten", ["stock = 'ten'", "valid integer"]),
        ("limiter.rate_per_s=-1", ["limiter.rate_per_s = -1", "greater than or equal to", "orders a second"]),
        ("limiter.rate_per_s=inf", ["limiter.rate_per_s = inf", "a finite number"]),
        ("limiter.rate_per_s=5e-324", ["limiter.rate_per_s = 5e-324", "greater than or equal to"]),
        ("drain.deadline_s=inf", ["drain.deadline_s = inf", "a finite number"]),
        ("arrivals.timeout_s=nan", ["arrivals.timeout_s = nan", "a finite number"]),
        ("traffic.jitter=-inf", ["traffic.jitter = -inf", "a finite number"]),
        ('limiter.rate_per_s="50/m"', ["'50/m'", "valid number", "orders a second"]),
        ("limiter.kind=flatt", ["'flatt'", "'none', 'native', 'flat' or 'shared'"]),
        ("stock", ["expected key=value"]),
        ("=5", ["expected key=value"]),
        ("seed=1.5", ["seed = 1.5"]),
        ("limiter=5", ["'limiter'"]),
    ],
)
def test_a_bad_override_names_key_value_and_what_was_expected(override: str, parts: list[str]) -> None:
    message = refused(override)
    for part in parts:
        assert part in message


def test_what_all_workers_are_allowed_together() -> None:
    four = {"count": 4}
    assert Experiment(limiter={"kind": "flat", "rate_per_s": 100}, workers=four).configured_per_s == 400
    assert Experiment(limiter={"kind": "shared", "rate_per_s": 100}, workers=four).configured_per_s == 100
    assert Experiment(limiter={"kind": "none"}, workers=four).configured_per_s is None


def test_celerys_own_limiter_comes_with_its_own_prefetch() -> None:
    assert (Experiment().prefetch, Experiment(limiter={"kind": "native"}).prefetch) == (1, 4)
    assert Experiment(limiter={"kind": "native"}, workers={"prefetch": 1}).prefetch == 1


def test_a_shared_limit_needs_a_burst() -> None:
    message = refused("limiter.kind=shared", "limiter.burst=1")
    assert "limiter.burst = 1: expected 2 or more" in message
    assert load_experiment("rush", ["limiter.kind=flat", "limiter.burst=1"]).limiter.allowed_burst == 1


def test_an_unknown_key_in_a_file_names_the_nearest(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("[limiter]\nrate_per_sec = 5\n", encoding="utf-8")
    message = refused(name=str(file))
    assert str(file) in message
    assert "nearest valid: 'limiter.rate_per_s'" in message


def test_broken_toml_names_file_and_place(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("stock = \n", encoding="utf-8")
    assert "line 1" in refused(name=str(file))


def test_a_missing_experiment_names_the_shipped_ones() -> None:
    assert "nearest valid: 'rush'" in refused(name="rusch")
    assert "rush" in refused(name="nowhere/rush.toml")


def test_a_written_experiment_reads_back_the_same(tmp_path: Path) -> None:
    rush = load_experiment("rush", ["stock=7", 'thresholds=["drain_s < 9"]'])
    file = tmp_path / "again.toml"
    file.write_text(rush.to_toml(), encoding="utf-8")
    assert load_experiment(str(file)) == rush
    assert tomllib.loads(rush.to_toml())["drain"]["deadline_s"] == 120, "defaults are written out"


@pytest.mark.parametrize(("rate", "burst"), [(10, 2), (50, 2), (100, 4), (400, 16)])
def test_the_default_burst_is_40_ms_of_the_rate(rate: float, burst: int) -> None:
    assert load_experiment("rush", [f"limiter.rate_per_s={rate}"]).limiter.allowed_burst == burst


def test_inline_dispatch_has_no_configured_rate() -> None:
    assert Experiment(dispatch="inline").configured_per_s is None


def test_files_that_an_experiment_names_are_found_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever the command is given."""
    from loadtest.experiment.files import load_experiment

    mine = tmp_path / "mine"
    mine.mkdir()
    for name in ("shop.toml", "story.py", "times.csv"):
        (mine / name).touch()
    text = 'shop = "shop.toml"\nscenario = "story.py"\n[arrivals]\nkind = "replay"\nfile = "times.csv"\n'
    (mine / "mine.toml").write_text(text, encoding="utf-8")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    found = load_experiment("../mine/mine.toml")
    assert (found.shop, found.scenario, found.arrivals.file) == tuple(
        str(mine / name) for name in ("shop.toml", "story.py", "times.csv")
    )
    assert load_experiment("../mine/mine.toml", ["shop=other.toml"]).shop == "other.toml"
    assert load_experiment("rush").shop == "target/shop.toml", "what is not beside it is looked for as before"


@pytest.mark.parametrize("value", ["inf", "-inf", "nan", "1e300", "-1e300"])
def test_no_number_of_an_experiment_is_infinite_or_beyond_all_arithmetic(value: str) -> None:
    """Every key that takes a number refuses it, in a sentence that names the key."""
    from loadtest.experiment.files import load_experiment
    from loadtest.experiment.sentences import keys

    numbers = [
        key
        for key, default in Experiment().flat().items()
        if isinstance(default, int | float) and not isinstance(default, bool)
    ]
    numbers += [
        "arrivals.rate_per_s",
        "arrivals.for_s",
        "arrivals.connections",
        "limiter.burst",
        "workers.prefetch",
        "broker.visibility_s",
    ]
    assert set(numbers) <= set(keys(Experiment))
    for key in numbers:
        with pytest.raises(UsageError, match=key):
            load_experiment("rush", [f"{key}={value}"])
