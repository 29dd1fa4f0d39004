"""Addresses of this app's pages and API."""

from __future__ import annotations

from django.urls import include, path

from campaigns import views
from campaigns.admin.home import home

urlpatterns = [
    path("", home, name="home"),
    path("api/v1/", include("campaigns.api.urls")),
    path("t/<str:use>/<path:token>", views.tracked, name="tracked"),
    path("push/worker.js", views.push_worker, name="push-worker"),
]
