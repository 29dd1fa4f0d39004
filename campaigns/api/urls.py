"""Addresses of this app's calls, under /api/v1/; the last address of the API.

A project includes this app's addresses after segmentation's: what neither of them
knows is answered here.
"""

from __future__ import annotations

from django.urls import path, re_path

from campaigns.api import metrics, views
from segmentation.api import health, pages

health.add_gauges(metrics.deliveries)

urlpatterns = [
    path("push/key/", views.PushKey.as_view(), name="api-push-key"),
    path(
        "push/subscriptions/",
        views.PushSubscriptions.as_view(),
        name="api-push-subscriptions",
    ),
    path(
        "customers/<external:customer_id>/consents/",
        views.Consents.as_view(),
        name="api-consents",
    ),
    path(
        "customers/<external:customer_id>/export/",
        views.CustomerExport.as_view(),
        name="api-customer-export",
    ),
    path(
        "customers/<external:customer_id>/",
        views.CustomerData.as_view(),
        name="api-customer",
    ),
    path("placements/<slug:slug>/", views.PlacementAds.as_view(), name="api-placement"),
    re_path(r"", pages.Nowhere.as_view(), name="api-nowhere"),
]
