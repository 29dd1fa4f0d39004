"""What calls take and answer. Answers are plain dicts; these describe them."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from campaigns.channels import channel_choices
from campaigns.models import Consent
from segmentation.api.serializers import WhoSerializer

WEB_PUSH = "webpush"


class SubscriptionKeysSerializer(serializers.Serializer):
    p256dh = serializers.CharField(max_length=200)
    auth = serializers.CharField(max_length=100)


class AgreementSerializer(serializers.Serializer):
    granted = serializers.BooleanField()
    text_version = serializers.CharField(
        max_length=40,
        default="",
        allow_blank=True,
        help_text=_("Which text the customer saw."),
    )
    proof = serializers.CharField(max_length=200, default="", allow_blank=True)


class SubscriptionSerializer(serializers.Serializer):
    """What ``PushSubscription.toJSON()`` gives in a browser."""

    endpoint = serializers.CharField(max_length=2000)
    keys = SubscriptionKeysSerializer()
    expirationTime = serializers.FloatField(  # noqa: N815 (the browser's name)
        required=False, allow_null=True
    )


class SubscribeSerializer(WhoSerializer):
    subscription = SubscriptionSerializer()
    consent = AgreementSerializer(
        required=False,
        help_text=_("Recorded for marketing by web push, if given."),
    )


class UnsubscribeSerializer(serializers.Serializer):
    endpoint = serializers.CharField(max_length=2000)


class SubscribedSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    channel = serializers.CharField()
    active = serializers.BooleanField()


class PushKeySerializer(serializers.Serializer):
    application_server_key = serializers.CharField(
        help_text=_("For ``pushManager.subscribe``.")
    )


class ConsentSerializer(AgreementSerializer):
    channel = serializers.ChoiceField(
        choices=channel_choices(),
        required=False,
        default="",
        help_text=_("Of marketing; personalisation is of the whole shop."),
    )
    purpose = serializers.ChoiceField(
        choices=Consent.Purpose.values, default=Consent.Purpose.MARKETING.value
    )
    said_at = serializers.DateTimeField(
        required=False, help_text=_("When it was said, if not now.")
    )

    def validate(self, said: dict[str, Any]) -> dict[str, Any]:
        """Marketing is agreed to by channel."""
        if said["purpose"] == Consent.Purpose.MARKETING and not said["channel"]:
            words = _("Say which channel: %(names)s.")
            names = ", ".join(name for name, _label in channel_choices())
            raise serializers.ValidationError({"channel": [words % {"names": names}]})
        return said


class ConsentsSerializer(serializers.Serializer):
    consents = ConsentSerializer(many=True, min_length=1, max_length=20)


class SaidSerializer(serializers.Serializer):
    channel = serializers.CharField()
    purpose = serializers.CharField()
    granted = serializers.BooleanField()
    said_at = serializers.DateTimeField()


class ConsentsAnswerSerializer(serializers.Serializer):
    consents = SaidSerializer(many=True)


class PlacementQuerySerializer(WhoSerializer):
    n = serializers.IntegerField(min_value=1, max_value=10, default=1)


class AdSerializer(serializers.Serializer):
    decision_id = serializers.UUIDField()
    title = serializers.CharField()
    body = serializers.CharField()
    image = serializers.CharField()
    item_id = serializers.CharField(allow_null=True)
    impression_url = serializers.CharField(
        help_text=_("Call it when the ad is on the screen.")
    )
    click_url = serializers.CharField(help_text=_("What the ad links to."))


class PlacementSerializer(serializers.Serializer):
    placement = serializers.CharField()
    ads = AdSerializer(many=True)
