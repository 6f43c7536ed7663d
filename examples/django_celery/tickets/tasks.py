import logging

from celery import shared_task
from django.conf import settings
from django.db import IntegrityError, OperationalError

from tickets.models import Order

log = logging.getLogger(__name__)


@shared_task(autoretry_for=(OperationalError, ConnectionError), retry_backoff=0.2, max_retries=20)
def place_order(number: str, user: int) -> str:
    try:
        Order.objects.create(number=number, user_id=user)
    except IntegrityError:
        # Delivered a second time.
        log.info("order %s stands already", number)
    if settings.MISTAKE == "retries_without_unique":
        send_now(number, place_order.request.retries)
    else:
        confirm.delay(number)
    return number


@shared_task(ignore_result=True)
def confirm(number: str) -> None:
    """The e-mail to the buyer."""
    log.info("confirmed %s", number)


def send_now(number: str, retries: int) -> None:
    """Wrong on purpose: the mail server is part of the task, and when it fails the whole task is done again, order and all."""
    if number.endswith("3") and retries == 0:
        raise ConnectionError("mail server is busy")
