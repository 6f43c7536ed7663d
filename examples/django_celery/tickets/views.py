from collections.abc import Callable
from functools import partial
from threading import Thread
from uuid import UUID

from celery.result import AsyncResult
from celery.states import FAILURE, READY_STATES
from celery.utils import uuid
from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_POST
from kombu.exceptions import OperationalError

from tickets import stock
from tickets.tasks import place_order


@ensure_csrf_cookie
@login_required
def home(request: HttpRequest) -> HttpResponse:
    return render(request, "home.html")


@require_POST
@login_required
def buy(request: HttpRequest) -> HttpResponse:
    username = request.user.get_username()
    try:
        number = stock.take(username)
    except stock.AlreadyHeld as held:
        return JsonResponse({"detail": "You have a ticket already.", "number": str(held)}, status=409)
    except stock.SoldOut:
        return JsonResponse({"detail": "Sold out."}, status=410)
    return enqueue(request, number, username)


def enqueue(request: HttpRequest, number: str, username: str) -> HttpResponse:
    task = uuid()
    send = partial(place_order.apply_async, (number, request.user.pk), task_id=task)
    try:
        if settings.MISTAKE == "answers_first":
            Thread(target=send_later, args=(send, number)).start()
        else:
            send()
    except OperationalError:
        stock.give_back(number, username)
        return JsonResponse({"detail": "Try again."}, status=503)
    return JsonResponse({"number": number, "task": task}, status=202)


def send_later(send: Callable[[], object], number: str) -> None:
    """Wrong on purpose: nobody hears of it when the broker refuses, as it does here for one in ten."""
    if number.endswith("7"):
        raise OperationalError
    send()


@login_required
def order(request: HttpRequest, task: UUID) -> HttpResponse:
    state = AsyncResult(str(task)).state
    status = "queued" if state not in READY_STATES else "rejected" if state == FAILURE else "confirmed"
    return JsonResponse({"status": status})
