"""Addresses of this app's calls, under /api/v1/."""

from __future__ import annotations

from django.urls import path

from segmentation.api import pages, views

urlpatterns = [
    path("events/", views.Events.as_view(), name="api-events"),
    path(
        "recommendations/", views.Recommendations.as_view(), name="api-recommendations"
    ),
    path(
        "items/<external:item_id>/similar/",
        views.SimilarItems.as_view(),
        name="api-similar",
    ),
    path("segments/", views.Segments.as_view(), name="api-segments"),
    path(
        "customers/<external:customer_id>/segments/",
        views.CustomerSegments.as_view(),
        name="api-customer-segments",
    ),
    path(
        "customers/<external:customer_id>/token/",
        views.CustomerToken.as_view(),
        name="api-customer-token",
    ),
    path("schema/", pages.Schema.as_view(), name="api-schema"),
    path("docs/", pages.Docs.as_view(), name="api-docs"),
]
