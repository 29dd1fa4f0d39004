"""What calls take and answer. Answers are plain dicts; these describe them."""

from __future__ import annotations

from typing import Any

from django.urls import register_converter
from django.urls.converters import StringConverter
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import (
    OpenApiParameter,
    OpenApiTypes,
    extend_schema_field,
)
from rest_framework import serializers

from segmentation.models import Kind, Purpose

MAX_EVENTS = 1000
MAX_ITEMS = 50
ID_LENGTH = 120

# What a shop may report; the other kinds are written by Strata itself.
SHOP_KINDS = tuple(kind.name.lower() for kind in Kind if kind < Kind.MESSAGE_ACCEPTED)
MAX_WIDGETS = 10
WIDGET_KINDS = ("recommendations", "similar", "bought_together")
LIST_PURPOSES = (Purpose.DISCOVER.value, Purpose.AGAIN.value)

CUSTOMER_TOKEN = OpenApiParameter(
    "X-Customer-Token",
    str,
    OpenApiParameter.HEADER,
    description=_("With a publishable key: whom the call may be about."),
)


class ExternalId(StringConverter):
    """An id of the shop's in an address; it may hold slashes, sent as %2F."""

    regex = rf"[^\x00]{{1,{ID_LENGTH}}}"


register_converter(ExternalId, "external")


def id_list(texts: list[str]) -> list[str]:
    """Item ids, separated by commas in one text or one a text."""
    ids = texts[0].split(",") if len(texts) == 1 else texts
    return [text.strip() for text in ids if text.strip()]


@extend_schema_field(OpenApiTypes.STR)
class IdListField(serializers.Field):
    """``exclude=a,b`` or ``exclude=a&exclude=b`` in a query string."""

    def get_value(self, dictionary: Any) -> Any:
        texts = dictionary.getlist(self.field_name)
        return texts or serializers.empty

    def to_internal_value(self, data: list[str]) -> list[str]:
        return id_list(data)

    def to_representation(self, value: list[str]) -> str:
        return ",".join(value)


class WhoSerializer(serializers.Serializer):
    customer_id = serializers.CharField(
        max_length=ID_LENGTH,
        required=False,
        allow_blank=True,
        help_text=_("The customer's id in the source of the key."),
    )
    visitor_id = serializers.CharField(
        max_length=ID_LENGTH,
        required=False,
        allow_blank=True,
        help_text=_("An anonymous visitor's id, made up by the shop."),
    )


class WishSerializer(serializers.Serializer):
    """What a list may hold; the same in a query and in a widget of a batch."""

    n = serializers.IntegerField(min_value=1, max_value=MAX_ITEMS, default=10)
    placement = serializers.CharField(
        max_length=60,
        default="",
        allow_blank=True,
        help_text=_("Where the list will stand; kept with it."),
    )
    category = serializers.CharField(max_length=200, required=False, allow_blank=True)
    max_price = serializers.FloatField(min_value=0, required=False)
    in_stock = serializers.BooleanField(
        default=True, help_text=_("Only what is available.")
    )
    diversity = serializers.FloatField(
        min_value=0,
        max_value=1,
        default=0.0,
        help_text=_("0: the best first. 1: each as unlike the others as can be."),
    )
    max_per_category = serializers.IntegerField(
        min_value=1, max_value=MAX_ITEMS, required=False
    )
    max_per_brand = serializers.IntegerField(
        min_value=1, max_value=MAX_ITEMS, required=False
    )


class AnyListQuerySerializer(WishSerializer):
    exclude = IdListField(
        required=False, help_text=_("Item ids, separated by commas or repeated.")
    )


class SimilarQuerySerializer(WhoSerializer, AnyListQuerySerializer):
    pass


class ListQuerySerializer(WhoSerializer, AnyListQuerySerializer):
    purpose = serializers.ChoiceField(LIST_PURPOSES, default=Purpose.DISCOVER.value)


class SegmentListQuerySerializer(AnyListQuerySerializer):
    purpose = serializers.ChoiceField(LIST_PURPOSES, default=Purpose.DISCOVER.value)


class WidgetSerializer(WishSerializer):
    """One list of a page."""

    name = serializers.CharField(
        max_length=60, help_text=_("Comes back with the list.")
    )
    kind = serializers.ChoiceField(WIDGET_KINDS, default=WIDGET_KINDS[0])
    purpose = serializers.ChoiceField(LIST_PURPOSES, default=Purpose.DISCOVER.value)
    item_id = serializers.CharField(
        max_length=ID_LENGTH,
        required=False,
        help_text=_("Of the page's item, for the kinds about one."),
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["kind"] != WIDGET_KINDS[0] and not attrs.get("item_id"):
            raise serializers.ValidationError(
                {"item_id": _("A widget of this kind needs the item of its page.")}
            )
        return attrs


class BatchSerializer(WhoSerializer):
    widgets = WidgetSerializer(many=True, allow_empty=False, max_length=MAX_WIDGETS)
    exclude = serializers.ListField(
        child=serializers.CharField(max_length=ID_LENGTH),
        required=False,
        max_length=1000,
        help_text=_("Item ids that no widget may hold."),
    )

    def validate_widgets(self, widgets: list[dict[str, Any]]) -> list[dict[str, Any]]:
        names = [widget["name"] for widget in widgets]
        if len(set(names)) < len(names):
            raise serializers.ValidationError(_("Each widget needs a name of its own."))
        return widgets


class ReasonSerializer(serializers.Serializer):
    code = serializers.CharField()
    text = serializers.CharField()
    item_id = serializers.CharField(allow_null=True)


class ListedItemSerializer(serializers.Serializer):
    item_id = serializers.CharField()
    score = serializers.FloatField()
    step = serializers.CharField(
        help_text=_("Where this item came from: the list's source, or the rules.")
    )
    reason = ReasonSerializer()


class ListSerializer(serializers.Serializer):
    recommendation_id = serializers.UUIDField(
        help_text=_("Send it with the events that follow from this list.")
    )
    model_run = serializers.IntegerField(allow_null=True)
    source = serializers.CharField(help_text=_("How the list was made."))
    items = ListedItemSerializer(many=True)


class WidgetListSerializer(ListSerializer):
    name = serializers.CharField()


class WidgetListsSerializer(serializers.Serializer):
    widgets = WidgetListSerializer(many=True)


class EventSerializer(WhoSerializer):
    """One behaviour. ``customer``, ``visitor`` and ``item`` are read as well."""

    kind = serializers.ChoiceField(SHOP_KINDS)
    item_id = serializers.CharField(max_length=ID_LENGTH, required=False)
    event_id = serializers.CharField(
        max_length=ID_LENGTH,
        required=False,
        help_text=_("The same id again adds nothing, so a call can be repeated."),
    )
    occurred_at = serializers.DateTimeField(required=False)
    quantity = serializers.FloatField(required=False)
    price = serializers.FloatField(required=False, help_text=_("Per unit."))
    amount = serializers.FloatField(required=False, help_text=_("Of the line."))
    value = serializers.FloatField(required=False, help_text=_("Of a rating."))
    currency = serializers.CharField(max_length=3, required=False)
    order = serializers.CharField(max_length=ID_LENGTH, required=False)
    session = serializers.CharField(max_length=ID_LENGTH, required=False)
    search_terms = serializers.CharField(max_length=300, required=False)
    page = serializers.CharField(max_length=2000, required=False)
    recommendation_id = serializers.UUIDField(required=False)
    launch = serializers.IntegerField(
        required=False, help_text=_("Only with a server key.")
    )
    ad = serializers.IntegerField(
        required=False, help_text=_("Only with a server key.")
    )


class EventsSerializer(serializers.Serializer):
    events = EventSerializer(many=True, min_length=1, max_length=MAX_EVENTS)


class EventErrorSerializer(serializers.Serializer):
    index = serializers.IntegerField(help_text=_("Position in the call, from 0."))
    field = serializers.CharField()
    message = serializers.CharField()


class RecordedSerializer(serializers.Serializer):
    accepted = serializers.IntegerField()
    duplicate = serializers.IntegerField()
    errors = EventErrorSerializer(many=True)


class SegmentSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    name = serializers.CharField()
    size = serializers.IntegerField()
    method = serializers.CharField()


class SegmentsSerializer(serializers.Serializer):
    segments = SegmentSerializer(many=True)


class TokenRequestSerializer(serializers.Serializer):
    seconds = serializers.IntegerField(min_value=1, max_value=3600, default=3600)


class TokenSerializer(serializers.Serializer):
    customer_token = serializers.CharField()
    expires_at = serializers.DateTimeField()
