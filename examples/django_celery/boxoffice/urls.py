from django.contrib.auth.views import LoginView
from django.urls import path

from tickets import views

urlpatterns = [
    path("", views.home, name="home"),
    path("accounts/login/", LoginView.as_view(), name="login"),
    path("tickets/buy/", views.buy, name="buy"),
    path("tickets/orders/<uuid:task>/", views.order, name="order"),
]
