import pytest

from loadtest.errors import UsageError
from loadtest.experiment.names import fill, nearest


def test_braces_that_are_no_placeholder_stay() -> None:
    assert fill('{"a": {stock}, "{n:06d}"}', {"stock": 5}, "here") == '{"a": 5, "{n:06d}"}'


def test_an_unknown_placeholder_names_its_place_and_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"env\.X: no placeholder \{stok\}; nearest valid: 'stock'"):
        fill("{stok}", {"stock": 5}, "env.X")


def test_with_nothing_near_the_whole_choice_is_shown() -> None:
    assert nearest("zzz", ["rush", "oversell"]) == "valid: oversell, rush"
