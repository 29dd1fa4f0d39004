"""Addresses of this app's calls, under /api/v1/."""

from __future__ import annotations

from django.urls import path

from segmentation.api import pages, recommending, views

urlpatterns = [
    path("events/", views.Events.as_view(), name="api-events"),
    path(
        "recommendations/",
        recommending.Recommendations.as_view(),
        name="api-recommendations",
    ),
    path("recommendations/batch/", recommending.Batch.as_view(), name="api-batch"),
    path(
        "items/<external:item_id>/similar/",
        recommending.SimilarItems.as_view(),
        name="api-similar",
    ),
    path(
        "items/<external:item_id>/bought-together/",
        recommending.BoughtTogether.as_view(),
        name="api-bought-together",
    ),
    path("segments/", views.Segments.as_view(), name="api-segments"),
    path(
        "segments/<int:segment_id>/recommendations/",
        recommending.SegmentRecommendations.as_view(),
        name="api-segment-recommendations",
    ),
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
