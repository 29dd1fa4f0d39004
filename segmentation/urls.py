"""Addresses of this app's pages and API."""

from __future__ import annotations

from django.urls import include, path

from segmentation import views
from segmentation.api import health

urlpatterns = [
    path("api/v1/", include("segmentation.api.urls")),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", health.metrics, name="metrics"),
    path("strata/plotly.js", views.plotly_script, name="plotly_script"),
]
