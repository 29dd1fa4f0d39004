"""The calls of this app: translate, call once, answer."""

from __future__ import annotations

from typing import Any

from django.http import Http404
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiTypes, extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from campaigns.api import serializers
from campaigns.api.serializers import WEB_PUSH
from campaigns.channels.base import BadAddress
from campaigns.models import Consent, Placement
from campaigns.services import consent, contacts, keys, placements, privacy
from segmentation import queries, tasks
from segmentation.api.authentication import person
from segmentation.api.base import StorefrontView
from segmentation.api.problems import Problem, documented
from segmentation.api.serializers import CUSTOMER_TOKEN
from segmentation.models import Customer, Identity
from segmentation.services import erasing, identities
from segmentation.services.access import Scope


class PushKey(StorefrontView):
    scope = Scope.SUBSCRIPTIONS

    @extend_schema(
        operation_id="push_key",
        responses={200: serializers.PushKeySerializer, **documented()},
    )
    def get(self, request: Request) -> Response:
        """The public key that a browser needs before it can subscribe."""
        return Response({"application_server_key": keys.vapid_public_key()})


class PushSubscriptions(StorefrontView):
    scope = Scope.SUBSCRIPTIONS

    @extend_schema(
        operation_id="subscribe",
        parameters=[CUSTOMER_TOKEN],
        request=serializers.SubscribeSerializer,
        responses={201: serializers.SubscribedSerializer, **documented(411, 413, 415)},
    )
    def post(self, request: Request) -> Response:
        """Keep a browser's subscription, and what its person agreed to, if told."""
        asked = _checked(serializers.SubscribeSerializer, request)
        customer = _own_identity(request, asked).customer
        now = timezone.now()
        try:
            point = contacts.subscribe(
                customer, WEB_PUSH, asked["subscription"], now=now
            )
        except BadAddress as error:
            raise ValidationError({"subscription": [str(error)]}) from error
        said = asked.get("consent")
        if said:
            consent.record(
                customer,
                WEB_PUSH,
                Consent.Purpose.MARKETING,
                said["granted"],
                now=now,
                text_version=said["text_version"],
                proof=said["proof"],
            )
        body = {"id": point.pk, "channel": point.channel, "active": point.is_active}
        return Response(body, status=201)

    @extend_schema(
        operation_id="unsubscribe",
        request=serializers.UnsubscribeSerializer,
        responses={204: None, **documented(411, 413, 415)},
    )
    def delete(self, request: Request) -> Response:
        """Send nothing more to a browser; its endpoint is secret enough to say so."""
        asked = _checked(serializers.UnsubscribeSerializer, request)
        contacts.unsubscribe(WEB_PUSH, asked["endpoint"])
        return Response(status=204)


class Consents(StorefrontView):
    scope = Scope.CONSENTS

    @extend_schema(
        operation_id="put_consents",
        request=serializers.ConsentsSerializer,
        responses={
            200: serializers.ConsentsAnswerSerializer,
            **documented(411, 413, 415),
        },
    )
    def put(self, request: Request, customer_id: str) -> Response:
        """Record what a customer agreed to or took back; the last word counts."""
        asked = _checked(serializers.ConsentsSerializer, request)
        customer = _resolved(request, customer=customer_id).customer
        now = timezone.now()
        kept = [
            consent.record(
                customer,
                said["channel"],
                said["purpose"],
                said["granted"],
                now=min(said.get("said_at", now), now),
                text_version=said["text_version"],
                proof=said["proof"],
            )
            for said in asked["consents"]
        ]
        return Response({"consents": [_said(row) for row in kept]})


class PlacementAds(StorefrontView):
    scope = Scope.ADS

    @extend_schema(
        operation_id="placement",
        parameters=[serializers.PlacementQuerySerializer, CUSTOMER_TOKEN],
        responses={200: serializers.PlacementSerializer, **documented()},
    )
    def get(self, request: Request, slug: str) -> Response:
        """Decide what stands in a placement for one person; often nothing at all."""
        asked = _PLACEMENT_QUERY.run_validation(request.query_params)
        who = person(request, asked.get("customer_id"), asked.get("visitor_id"))
        identity = who.new_identity(request.user)
        placement = Placement.objects.filter(slug=slug, is_active=True).first()
        if placement is None:
            raise Http404(_("There is no placement “%(id)s”.") % {"id": slug})
        decided = placements.decide(
            placement,
            identity_id=identity.pk if identity else None,
            customer_id=identity.customer_id if identity else None,
            now=timezone.now(),
            n=asked["n"],
        )
        return Response({"placement": slug, "ads": [_ad(one) for one in decided]})


class CustomerData(StorefrontView):
    scope = Scope.PRIVACY

    @extend_schema(
        operation_id="erase_customer",
        responses={200: OpenApiTypes.OBJECT, **documented()},
    )
    def delete(self, request: Request, customer_id: str) -> Response:
        """Erase a customer everywhere; the answer is the receipt.

        Every row is gone by then. Files and models are left to a worker, and `remains`
        says so.
        """
        customer = _known(request, customer_id)
        erasure = privacy.erase_customer(
            customer, now=timezone.now(), actor_name=request.user.name
        )
        tasks.hint(erasure)
        return Response(erasing.receipt(erasure))


class CustomerExport(StorefrontView):
    scope = Scope.PRIVACY

    @extend_schema(
        operation_id="export_customer",
        responses={200: OpenApiTypes.OBJECT, **documented()},
    )
    def get(self, request: Request, customer_id: str) -> Response:
        """Everything that is kept about a customer."""
        return Response(privacy.export_customer(_known(request, customer_id)))


# Made once: a serializer copies all its fields when it is made, on every call else.
_PLACEMENT_QUERY = serializers.PlacementQuerySerializer()


def _checked(serializer: type, request: Request) -> dict[str, Any]:
    asked = serializer(data=request.data)
    asked.is_valid(raise_exception=True)
    return asked.validated_data


def _own_identity(request: Request, asked: dict[str, Any]) -> Identity:
    """Whom a subscription is for, created when new.

    With a visitor id alone nobody may join somebody's devices and read their messages.
    """
    who = person(request, asked.get("customer_id"), asked.get("visitor_id"))
    if not who.customer and not who.visitor:
        raise ValidationError(
            {"visitor_id": [_("Say whose it is: a customer_id or a visitor_id.")]}
        )
    found = _resolved(request, customer=who.customer, visitor=who.visitor)
    if request.user.is_publishable and not who.customer and identities.is_known(found):
        raise Problem(
            403,
            "other-customer",
            _("This visitor is a customer by now: send the customer's token."),
        )
    return found


def _resolved(request: Request, **names: str | None) -> Identity:
    try:
        return identities.resolve(request.user.source, **names)
    except identities.BadId as error:
        raise ValidationError({"customer_id": [str(error)]}) from error


def _known(request: Request, external_id: str) -> Customer:
    found = queries.customer_by_external(request.user.source, external_id)
    if found is None:
        raise Http404(_("There is no customer “%(id)s”.") % {"id": external_id})
    return found


def _said(row: Consent) -> dict[str, Any]:
    return {
        "channel": row.channel,
        "purpose": row.purpose,
        "granted": row.granted,
        "said_at": row.said_at,
    }


def _ad(decided: placements.Slot) -> dict[str, Any]:
    ad = decided.ad
    return {
        "decision_id": decided.decision_id,
        "title": ad.title,
        "body": ad.body,
        "image": ad.image,
        "item_id": ad.item.external_id if ad.item else None,
        "impression_url": decided.impression_url,
        "click_url": decided.click_url,
    }
