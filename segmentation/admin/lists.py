"""Lists as the operator sees them: a customer's with reasons, an item's neighbours."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from segmentation.admin.base import Deed, StrataAdmin
from segmentation.models import Customer, Item, Purpose
from segmentation.services.serving import Answer, Wish, items, looking
from segmentation.services.serving.answers import Source

SHOWN = 20
PURPOSES = (Purpose.DISCOVER, Purpose.AGAIN)
SOURCES = {
    "personal": gettext_lazy("computed beforehand from what they did"),
    "folded_in": gettext_lazy(
        "made now, with what they did since the lists were written"
    ),
    "session": gettext_lazy("made now from what this visitor did"),
    "segment": gettext_lazy("what people of the same segment get"),
    "popular": gettext_lazy("what is popular with all"),
}


def _leads_to(name: str, label: Any, permission: str) -> Deed:
    return Deed(name, label, _only_a_page, lambda row: True, permission, page=name)


def _only_a_page(request: HttpRequest, row: Any) -> str:
    raise PermissionDenied  # it is looked at, nothing is done


class CustomerLists(StrataAdmin):
    """The page with what a customer is shown, and why."""

    def get_urls(self) -> list[Any]:
        page = self.page("<int:object_id>/list/", self.list_view, "list")
        return [page, *super().get_urls()]

    def get_deeds(self) -> list[Deed]:
        label = gettext_lazy("See their lists")
        seen = _leads_to("list", label, "segmentation.view_customer")
        return [seen, *super().get_deeds()]

    def list_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        customer = self.row_or_refuse(request, object_id)
        purpose = request.GET.get("purpose", "")
        if purpose not in PURPOSES:
            purpose = Purpose.DISCOVER.value
        now = timezone.now()
        answer = looking.list_of(customer, Wish(SHOWN, purpose), now=now)
        ids = [item.item_id for item in answer.items]
        causes = looking.evidence(customer, purpose, ids, now=now)
        context = {
            **self.admin_site.each_context(request),
            "title": _("What %(customer)s is shown") % {"customer": customer},
            "opts": self.opts,
            "media": self.media,
            "customer": customer,
            "purposes": [
                (each.value, str(each.label), each == purpose) for each in PURPOSES
            ],
            "source": SOURCES.get(answer.source, answer.source),
            "run_id": answer.run_id,
            "lines": lines_of(answer, causes),
            "n_habits": sum(item.is_habit for item in answer.items),
            "has_causes": bool(causes),
            "back_url": self.url("change", customer.pk),
        }
        return TemplateResponse(
            request, "segmentation/admin/customer_list.html", context
        )


class ItemNeighbours(StrataAdmin):
    """The page with what is like an item, and what is bought with it."""

    def get_urls(self) -> list[Any]:
        page = self.page(
            "<int:object_id>/neighbours/", self.neighbours_view, "neighbours"
        )
        return [page, *super().get_urls()]

    def get_deeds(self) -> list[Deed]:
        label = gettext_lazy("See its neighbours")
        seen = _leads_to("neighbours", label, "segmentation.view_item")
        return [seen, *super().get_deeds()]

    def neighbours_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        item = self.row_or_refuse(request, object_id)
        context = {
            **self.admin_site.each_context(request),
            "title": _("Neighbours of %(item)s") % {"item": item},
            "opts": self.opts,
            "media": self.media,
            "tables": [
                (_("Chosen by the same customers"), neighbours(item, Source.SIMILAR)),
                (
                    _("In the same baskets"),
                    neighbours(item, Source.BOUGHT_TOGETHER),
                ),
            ],
            "back_url": self.url("change", item.pk),
        }
        return TemplateResponse(request, "segmentation/admin/neighbours.html", context)


def neighbours(item: Item, source: Source) -> list[dict[str, Any]]:
    """All that the model knows beside an item, whether it may be shown or not."""
    pool = items.pool_of(item.pk, source)
    ids = [pk for pk in pool.item_ids.tolist() if pk > 0]
    rows = Item.objects.select_related("category").in_bulk(ids)
    scored = zip(pool.item_ids.tolist(), pool.scores.tolist(), strict=True)
    return [
        {"item": rows[pk], "url": item_url(pk), "score": score}
        for pk, score in scored
        if pk in rows
    ]


def lines_of(
    answer: Answer, causes: dict[int, list[looking.Cause]] | None = None
) -> list[dict[str, Any]]:
    """The places of a list for a page, with titles and what speaks for each."""
    found = Item.objects.select_related("category").in_bulk(
        [item.item_id for item in answer.items]
    )
    return [
        {
            "item": found.get(item.item_id, item.external_id),
            "url": item_url(item.item_id),
            "listed": item,
            "causes": [
                {"title": cause.title, "share": cause.share, "url": item_url(cause[0])}
                for cause in (causes or {}).get(item.item_id, ())
            ],
        }
        for item in answer.items
    ]


def item_url(pk: int) -> str:
    return reverse("admin:segmentation_item_change", args=[pk])


def customer_named(text: str) -> Customer | None:
    """A customer by an id of any source, else by ours."""
    text = text.strip()
    if not text or "\0" in text:
        return None
    named = Customer.objects.filter(identities__external_id=text).first()
    if named is None and text.isdecimal() and len(text) < 19:
        named = Customer.objects.filter(pk=int(text)).first()
    return named
