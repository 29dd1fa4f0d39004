"""The calls for lists: translate, call once, answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import Http404
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from segmentation.api import lists, serializers
from segmentation.api.authentication import Person, person
from segmentation.api.base import StorefrontView
from segmentation.api.problems import documented
from segmentation.models import Purpose
from segmentation.services import serving
from segmentation.services.access import Scope

# Made once: a serializer copies all its fields when it is made.
_LIST = serializers.ListQuerySerializer()
_OF_ITEM = serializers.SimilarQuerySerializer()
_OF_SEGMENT = serializers.SegmentListQuerySerializer()
ABOUT_AN_ITEM: dict[str, Callable[..., serving.Answer]] = {
    "similar": serving.similar_to,
    "bought_together": serving.bought_together,
}


class Recommendations(StorefrontView):
    scope = Scope.LISTS

    @extend_schema(
        operation_id="recommendations",
        parameters=[serializers.ListQuerySerializer, serializers.CUSTOMER_TOKEN],
        responses={200: serializers.ListSerializer, **documented()},
    )
    def get(self, request: Request) -> Response:
        """A list for one person; somebody unknown gets what is popular."""
        asked = lists.asked(request.query_params, _LIST)
        who = person(request, asked.get("customer_id"), asked.get("visitor_id"))
        wish = lists.wish_of(asked)
        known = who.known(request.user, wish.purpose)
        answer = serving.recommend_for(known, wish, now=timezone.now())
        return Response(lists.served(answer, known, wish))


class Batch(StorefrontView):
    scope = Scope.LISTS

    @extend_schema(
        operation_id="recommendations_batch",
        parameters=[serializers.CUSTOMER_TOKEN],
        request=serializers.BatchSerializer,
        responses={
            200: serializers.WidgetListsSerializer,
            **documented(411, 413, 415),
        },
    )
    def post(self, request: Request) -> Response:
        """The lists of a whole page in one call; no item is in two of them."""
        form = serializers.BatchSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        asked = form.validated_data
        who = person(request, asked.get("customer_id"), asked.get("visitor_id"))
        shown = set(asked.get("exclude", ()))
        answers = []
        for widget in asked["widgets"]:
            body = _widget(request, who, widget, shown)
            shown |= {item["item_id"] for item in body["items"]}
            answers.append(body)
        return Response({"widgets": answers})


def _widget(
    request: Request, who: Person, widget: dict[str, Any], shown: set[str]
) -> dict[str, Any]:
    """One list of a page. An item that is not known yet empties its own list only."""
    about = ABOUT_AN_ITEM.get(widget["kind"])
    purpose = Purpose.SIMILAR.value if about else widget["purpose"]
    wish = lists.wish_of({**widget, "exclude": frozenset(shown)}, purpose)
    known = who.known(request.user, "" if about else purpose)
    now = timezone.now()
    if about is None:
        answer = serving.recommend_for(known, wish, now=now)
    else:
        try:
            answer = about(widget["item_id"], wish, now=now)
        except serving.NoSuchItem:
            answer = serving.Answer(None, widget["kind"], [])
    return {"name": widget["name"], **lists.served(answer, known, wish)}


class _OfItem(StorefrontView):
    scope = Scope.LISTS
    find: Callable[..., serving.Answer]

    def _list(self, request: Request, item_id: str) -> Response:
        asked = lists.asked(request.query_params, _OF_ITEM)
        who = person(request, asked.get("customer_id"), asked.get("visitor_id"))
        wish = lists.wish_of(asked, Purpose.SIMILAR.value)
        known = who.known(request.user)
        try:
            answer = type(self).find(item_id, wish, now=timezone.now())
        except serving.NoSuchItem as error:
            raise Http404(_("There is no item “%(id)s”.") % {"id": item_id}) from error
        return Response(lists.served(answer, known, wish))


class SimilarItems(_OfItem):
    find = staticmethod(serving.similar_to)

    @extend_schema(
        operation_id="similar_items",
        parameters=[serializers.SimilarQuerySerializer, serializers.CUSTOMER_TOKEN],
        responses={200: serializers.ListSerializer, **documented()},
    )
    def get(self, request: Request, item_id: str) -> Response:
        """Items that the same people are interested in."""
        return self._list(request, item_id)


class BoughtTogether(_OfItem):
    find = staticmethod(serving.bought_together)

    @extend_schema(
        operation_id="bought_together",
        parameters=[serializers.SimilarQuerySerializer, serializers.CUSTOMER_TOKEN],
        responses={200: serializers.ListSerializer, **documented()},
    )
    def get(self, request: Request, item_id: str) -> Response:
        """Items that are in the same baskets more often than chance would have it."""
        return self._list(request, item_id)


class SegmentRecommendations(StorefrontView):
    scope = Scope.SEGMENTS

    @extend_schema(
        operation_id="segment_recommendations",
        parameters=[serializers.SegmentListQuerySerializer],
        responses={200: serializers.ListSerializer, **documented()},
    )
    def get(self, request: Request, segment_id: int) -> Response:
        """What an interest segment as a whole should see."""
        asked = lists.asked(request.query_params, _OF_SEGMENT)
        wish = lists.wish_of(asked)
        try:
            answer = serving.for_segment(segment_id, wish, now=timezone.now())
        except serving.NoSuchSegment as error:
            text = _("There is no segment %(id)s in use.") % {"id": segment_id}
            raise Http404(text) from error
        return Response(lists.served(answer, None, wish))
