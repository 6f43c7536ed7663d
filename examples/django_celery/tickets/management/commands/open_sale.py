from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.base import BaseCommand

from boxoffice.celery import app
from tickets import stock
from tickets.models import Order


class Command(BaseCommand):
    help = "Put tickets up for sale, and forget every order that there was. With --users: make test users, password 'secret'."

    def add_arguments(self, parser):
        parser.add_argument("tickets", type=int)
        parser.add_argument("--users", type=int, default=0)

    def handle(self, *args, **options):
        call_command("migrate", "auth", verbosity=0)
        call_command("migrate", "tickets", "0001", verbosity=0)
        Order.objects.all().delete()
        if settings.MISTAKE != "retries_without_unique":  # which is a shop where the second migration was forgotten
            call_command("migrate", verbosity=0)
        User.objects.filter(username__startswith="user").delete()
        password = make_password("secret")
        User.objects.bulk_create(
            User(username=f"user{n:05d}", password=password) for n in range(1, options["users"] + 1)
        )
        app.control.purge()
        stock.open_sale([f"T-{n:05d}" for n in range(1, options["tickets"] + 1)])
