import pytest

from loadtest.errors import UsageError
from loadtest.sale.beforehand.fleet import Fleet


def test_one_generator_needs_no_arguments() -> None:
    assert Fleet().arguments() == []
    assert Fleet().invitation("scenarios/rush.py") is None


def test_several_processes_meet_on_this_machine_alone() -> None:
    arguments = Fleet(processes=3).arguments()
    options = dict(zip(arguments[::2], arguments[1::2], strict=True))
    assert options["--processes"] == "3"
    assert options["--master-bind-host"] == options["--master-host"] == "127.0.0.1"
    assert options["--master-bind-port"] == options["--master-port"]


def test_workers_from_elsewhere_are_waited_for_and_told_what_to_type() -> None:
    fleet = Fleet(workers=2, bind_host="10.0.0.5", bind_port=6000)
    assert " ".join(fleet.arguments()).startswith("--master --expect-workers 2 ")
    assert fleet.wait_s > 0
    assert "locust -f mine.py --worker --master-host 10.0.0.5 --master-port 6000" in str(fleet.invitation("mine.py"))
    assert "--master-host THIS_MACHINE " in str(Fleet(workers=1, bind_host="*").invitation("mine.py"))


def test_both_at_once_is_wrong_use() -> None:
    with pytest.raises(UsageError, match="expected one of them"):
        Fleet(processes=2, workers=2).check()
