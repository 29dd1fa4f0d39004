"""Addresses of both apps: what a host includes, once (docs/plugin.md)."""

from __future__ import annotations

from django.urls import include, path

from campaigns import views
from campaigns.admin.home import home

urlpatterns = [
    path("", home, name="home"),
    path("", include("segmentation.urls")),
    path("api/v1/", include("campaigns.api.urls")),
    path("t/<str:use>/<path:token>", views.tracked, name="tracked"),
    path("push/worker.js", views.push_worker, name="push-worker"),
]
