"""The arithmetic of redelivery, in figures one can check by hand."""

from typing import Any

import pytest

from loadtest.errors import UsageError
from loadtest.experiment.files import lay_over
from loadtest.experiment.redelivery import Held, check_redelivery, redelivery_s, visibility_s
from loadtest.experiment.schema import Experiment


def experiment(**keys: Any) -> Experiment:
    """One worker of concurrency 8 at 10/s, but for `keys`, in which __ stands for a dot."""
    told = {"stock": 5000, "workers.concurrency": 8, "limiter.rate_per_s": 10.0}
    return lay_over(Experiment(), told | {key.replace("__", "."): value for key, value in keys.items()}, "test")


def message(told: Experiment) -> str:
    with pytest.raises(UsageError) as error:
        check_redelivery(told)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_worker_holds_its_prefetch_for_each_child() -> None:
    held = Held.by(experiment(workers__prefetch=64))
    assert (held.orders, held.waits_s) == (512, 51.2)


def test_the_rate_is_of_one_worker_however_many_there_are() -> None:
    assert Held.by(experiment(workers__prefetch=64, workers__count=4)).waits_s == 51.2


def test_it_holds_no_more_than_are_for_sale() -> None:
    assert Held.by(experiment(workers__prefetch=64, stock=200)).waits_s == 20


def test_without_a_limit_nothing_waits() -> None:
    check_redelivery(experiment(workers__prefetch=1000, limiter__kind="none", broker__visibility_s=1.0))


def test_by_default_the_time_out_is_twice_the_wait_and_never_short() -> None:
    assert visibility_s(experiment()) == 15
    long = experiment(workers__prefetch=64)
    assert visibility_s(long) == 103
    check_redelivery(long)


def test_a_time_out_under_twice_the_wait_is_refused_with_the_arithmetic() -> None:
    assert message(experiment(workers__prefetch=64, broker__visibility_s=15.0)) == (
        "workers.prefetch = 64: 8 × 64 = 512 orders held at 10/s take 51.2 s; above half of broker.visibility_s = 15: "
        "they would be delivered twice; lower workers.prefetch or raise broker.visibility_s to 103"
    )


def test_the_remedy_is_enough_and_no_more() -> None:
    check_redelivery(experiment(workers__prefetch=64, broker__visibility_s=103.0))
    message(experiment(workers__prefetch=64, broker__visibility_s=102.0))


def test_what_is_not_there_is_not_held_and_the_message_says_so() -> None:
    told = experiment(workers__prefetch=64, stock=200, broker__visibility_s=15.0)
    assert "8 × 64 = 512 orders held, of which there are 200, at 10/s take 20 s" in message(told)


def test_rabbitmq_is_patient_for_half_an_hour_unless_it_is_told_otherwise() -> None:
    told = experiment(workers__prefetch=64, broker__kind="rabbitmq", broker__visibility_s=15.0)
    check_redelivery(told)
    assert redelivery_s(told) == 1800
    text = message(lay_over(told, {"broker.consumer_timeout_s": 60.0}, "test"))
    assert "above half of broker.consumer_timeout_s = 60: " in text
    assert text.endswith("raise consumer_timeout in RabbitMQ, and broker.consumer_timeout_s with it, to 103")


def test_redis_hands_out_what_a_dead_worker_held_at_the_next_look() -> None:
    assert redelivery_s(experiment(broker__visibility_s=2.0)) == 3
    assert redelivery_s(experiment(broker__visibility_s=60.0)) == 72
