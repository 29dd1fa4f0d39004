"""The calls of this app: translate, call once, answer."""

from __future__ import annotations

from typing import Any

from django.http import Http404
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from segmentation import conf, queries
from segmentation.api import incoming, serializers
from segmentation.api.base import StorefrontView
from segmentation.api.problems import documented
from segmentation.models import Customer, Segment
from segmentation.services import access, events
from segmentation.services.access import Scope


class Events(StorefrontView):
    scope = Scope.EVENTS

    @extend_schema(
        operation_id="record_events",
        parameters=[serializers.CUSTOMER_TOKEN],
        request=serializers.EventsSerializer,
        responses={
            200: serializers.RecordedSerializer,
            207: serializers.RecordedSerializer,
            **documented(411, 413, 415),
        },
    )
    def post(self, request: Request) -> Response:
        """Record 1 to 1000 events; bad ones are told one by one (207)."""
        found = incoming.read(request)
        recorded = events.record_events(
            found.rows, source=request.user.source, now=timezone.now()
        )
        errors = found.all_errors(recorded)
        body = {
            "accepted": recorded.n_new,
            "duplicate": recorded.n_duplicate,
            "errors": [vars(error) for error in errors],
        }
        return Response(body, status=207 if errors else 200)


class Segments(StorefrontView):
    scope = Scope.SEGMENTS

    @extend_schema(
        operation_id="segments",
        responses={200: serializers.SegmentsSerializer, **documented()},
    )
    def get(self, request: Request) -> Response:
        """The interest segments in use, less those too small to be named."""
        rows = Segment.objects.filter(
            segment_set__stage="live", size__gte=conf.min_segment_size()
        ).select_related("segment_set")
        return Response(_segments(list(rows.order_by("segment_set_id", "label"))))


class CustomerSegments(StorefrontView):
    scope = Scope.SEGMENTS

    @extend_schema(
        operation_id="customer_segments",
        responses={200: serializers.SegmentsSerializer, **documented()},
    )
    def get(self, request: Request, customer_id: str) -> Response:
        """The segments that a customer is in, less those too small to be named."""
        customer = _customer(request, customer_id)
        rows = queries.segments_of(customer.pk)
        return Response(
            _segments([s for s in rows if s.size >= conf.min_segment_size()])
        )


class CustomerToken(StorefrontView):
    scope = Scope.TOKENS

    @extend_schema(
        operation_id="customer_token",
        request=serializers.TokenRequestSerializer,
        responses={201: serializers.TokenSerializer, **documented(411, 413, 415)},
    )
    def post(self, request: Request, customer_id: str) -> Response:
        """A token for the browser of a customer whom the shop has logged in."""
        asked = serializers.TokenRequestSerializer(data=request.data or {})
        asked.is_valid(raise_exception=True)
        token, expires_at = access.issue_token(
            request.user.source,
            customer_id,
            now=timezone.now(),
            seconds=asked.validated_data["seconds"],
        )
        body = {"customer_token": token, "expires_at": expires_at}
        return Response(body, status=201)


def _customer(request: Request, external_id: str) -> Customer:
    found = queries.customer_by_external(request.user.source, external_id)
    if found is None:
        raise Http404(_("There is no customer “%(id)s”.") % {"id": external_id})
    return found


def _segments(rows: list[Segment]) -> dict[str, Any]:
    return {
        "segments": [
            {
                "id": row.pk,
                "name": row.name,
                "size": row.size,
                "method": row.segment_set.method,
            }
            for row in rows
        ]
    }
