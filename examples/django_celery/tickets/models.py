from django.conf import settings
from django.db import models


class Order(models.Model):
    number = models.CharField(max_length=32)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["number"], name="one_order_a_number"),
            models.UniqueConstraint(fields=["user"], name="one_order_a_user"),
        ]

    def __str__(self) -> str:
        return self.number
