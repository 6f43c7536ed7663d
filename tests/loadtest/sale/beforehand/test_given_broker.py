import pytest

from loadtest.errors import UsageError
from loadtest.experiment.files import lay_over
from loadtest.experiment.schema import Experiment
from loadtest.manifest.loading import load_shop
from loadtest.sale.beforehand.given_broker import check_broker, follow_given
from loadtest.stack.external import Given

AMQP, REDIS = "amqp://guest:geheim@127.0.0.1/v", "redis://127.0.0.1/3"
SHOP, _ = load_shop(Experiment())


def on(**keys: object) -> Experiment:
    return lay_over(Experiment(), {f"broker.{key}": value for key, value in keys.items()}, "test")


def message(experiment: Experiment, given: Given = Given()) -> str:  # noqa: B008 - frozen
    with pytest.raises(UsageError) as error:
        check_broker(experiment, SHOP, given)
    return str(error.value)


def test_an_experiment_that_asks_for_no_kind_runs_on_what_was_given() -> None:
    assert follow_given(Experiment(), Given(brokers=(AMQP,))).broker.kind == "rabbitmq"
    assert follow_given(Experiment(), Given(brokers=(REDIS,))).broker.kind == "redis"
    assert follow_given(Experiment(), Given()).broker.kind == "redis"


def test_a_broker_that_nothing_would_use_is_refused() -> None:
    with pytest.raises(UsageError, match=r"--broker amqp://guest:\*\*\*@127.0.0.1/v: nothing would use it") as error:
        follow_given(on(kind="redis"), Given(brokers=(AMQP,)))
    assert "--set broker.kind=rabbitmq" in str(error.value)
    matrix = Experiment(matrix={"broker.kind": ["redis", "rabbitmq"]})
    assert follow_given(matrix, Given(brokers=(AMQP, REDIS))) == matrix


def test_rabbitmq_must_be_given_and_the_message_says_how() -> None:
    text = message(on(kind="rabbitmq"))
    assert "none was given; give --broker amqp://" in text
    check_broker(on(kind="rabbitmq"), SHOP, Given(brokers=(AMQP,)))


def test_a_sale_without_a_queue_needs_no_broker() -> None:
    check_broker(lay_over(on(kind="rabbitmq"), {"dispatch": "inline"}, "test"), SHOP, Given())


def test_redis_has_no_quorum_queues() -> None:
    assert "broker.queue = 'quorum': Redis has" in message(on(queue="quorum"))


def test_a_shop_that_is_not_told_the_time_out_is_not_held_to_it() -> None:
    told = lay_over(on(visibility_s=1.0), {"limiter.rate_per_s": 1.0}, "test")
    assert "delivered twice" in message(told)
    check_broker(told, SHOP.model_copy(update={"env": {}}), Given())
