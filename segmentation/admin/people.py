"""Who is who: customers of several sources that are one person, and taking it back."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from segmentation.admin import import_words
from segmentation.admin.base import Deed, ReadOnly, StrataAdmin, badge, link_to
from segmentation.forms import PairForm
from segmentation.models import Customer, Identity, Merge
from segmentation.services import claims, jobs, people
from segmentation.templatetags.strata import number

SHOWN_PAIRS = 20
PAIRS_AT_ONCE = 1000  # what a page can wait for
ADDRESSES = {
    "email": ("email_hash", Merge.Reason.EMAIL, gettext_lazy("Equal e-mail")),
    "phone": ("phone_hash", Merge.Reason.PHONE, gettext_lazy("Equal phone")),
}


@admin.register(Merge)
class MergeAdmin(ReadOnly, StrataAdmin):
    change_form_template = "segmentation/admin/with_deeds.html"
    change_list_template = "segmentation/admin/list_with_add.html"
    add_label = gettext_lazy("Find who is who")
    list_display = ("__str__", "stays", "went_in", "reason", "stands", "merged_at")
    list_select_related = ("kept", "merged")
    list_filter = ("reason", ("undone_at", admin.EmptyFieldListFilter))
    search_fields = ("kept__identities__external_id",)
    search_help_text = gettext_lazy("Customer id in a source")
    fields = ("stays", "went_in", "names", "reason", "merged_at", "undone_at")
    readonly_fields = ("stays", "went_in", "names")
    ordering = ("-pk",)
    actions = None

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("segmentation.add_merge")

    def get_deeds(self) -> list[Deed]:
        return [
            Deed(
                "unmerge",
                gettext_lazy("Take this merge back"),
                self._unmerge,
                lambda merge: merge.undone_at is None,
                permission="segmentation.change_merge",
                is_recorded=True,
            )
        ]

    def _unmerge(self, request: HttpRequest, merge: Merge) -> str:
        n = people.unmerge(merge, actor=request.user)
        text = ngettext(
            "%(n)s id went home to %(who)s.", "%(n)s ids went home to %(who)s.", n
        )
        return text % {"n": number(n), "who": merge.merged}

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Pairs with an equal address, and two customers by hand."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = PairForm(None if "address" in request.POST else request.POST or None)
        if request.method == "POST":
            if request.POST.get("address") in ADDRESSES:
                self._merge_equal(request, request.POST["address"])
                return redirect(self.url("add"))
            if form.is_valid() and (made := self._merge_pair(request, form)):
                return redirect(self.url("change", made.pk))
        context = {
            **self.admin_site.each_context(request),
            "title": _("Who is who"),
            "opts": self.opts,
            "media": self.media,
            "form": form,
            "groups": [self._group(address) for address in ADDRESSES],
            "list_url": self.url("changelist"),
        }
        return TemplateResponse(request, "segmentation/admin/who_is_who.html", context)

    def _group(self, address: str) -> dict[str, Any]:
        column, _reason, label = ADDRESSES[address]
        pairs = people.find_equal(column)
        ids = [*pairs.kept[:SHOWN_PAIRS].tolist(), *pairs.merged[:SHOWN_PAIRS].tolist()]
        rows = Customer.objects.prefetch_related("identities__source").in_bulk(ids)
        both = zip(pairs.kept[:SHOWN_PAIRS], pairs.merged[:SHOWN_PAIRS], strict=True)
        return {
            "address": address,
            "label": label,
            "n": len(pairs),
            "n_unclear": pairs.n_unclear,
            "at_once": min(len(pairs), PAIRS_AT_ONCE),
            "pairs": [(_side(rows[int(a)]), _side(rows[int(b)])) for a, b in both],
        }

    def _merge_equal(self, request: HttpRequest, address: str) -> None:
        column, reason, _label = ADDRESSES[address]
        found = people.find_equal(column)
        some = people.Pairs(found.kept[:PAIRS_AT_ONCE], found.merged[:PAIRS_AT_ONCE])
        n = people.merge_all(some, reason=reason, actor=request.user)
        text = ngettext("%(n)s pair was merged.", "%(n)s pairs were merged.", n)
        messages.success(request, text % {"n": number(n)})

    def _merge_pair(self, request: HttpRequest, form: PairForm) -> Merge | None:
        data = form.cleaned_data
        try:
            return people.merge(data["kept"], data["merged"], actor=request.user)
        except jobs.Refused as error:
            form.add_error(None, str(error))
            return None

    @admin.display(description=gettext_lazy("customer that stays"))
    def stays(self, merge: Merge) -> str:
        return link_to(merge.kept)

    @admin.display(description=gettext_lazy("customer that went in"))
    def went_in(self, merge: Merge) -> str:
        return link_to(merge.merged)

    @admin.display(description=gettext_lazy("ids that moved"))
    def names(self, merge: Merge) -> str:
        rows = Identity.objects.filter(pk__in=merge.identity_ids)
        return ", ".join(_named(row) for row in rows.select_related("source")) or "–"

    @admin.display(description=gettext_lazy("stands"))
    def stands(self, merge: Merge) -> str:
        if merge.undone_at is None:
            return badge(_("stands"), "good")
        return badge(_("taken back"), "plain")


def told_about(customer: Customer) -> list[dict[str, Any]]:
    """Per field, what each source says and who is believed; for the customer's page."""
    told = claims.about({customer.pk}).get(customer.pk, [])
    flat = [(claim, _flat(claim.values)) for claim in told]
    fields = list(dict.fromkeys(name for _claim, values in flat for name in values))
    lines = []
    for name in fields:
        said = [
            {"source": claim.source, "at": claim.told_at, "value": values[name]}
            for claim, values in flat
            if values.get(name)
        ]
        differ = len({str(cell["value"]) for cell in said}) > 1
        label = import_words.label(name)
        lines.append({"field": label, "said": said, "differ": differ})
    return lines


def _flat(values: dict[str, Any]) -> dict[str, Any]:
    attributes = values.get(claims.ATTRIBUTES) or {}
    plain = {k: v for k, v in values.items() if k != claims.ATTRIBUTES}
    return plain | {f"{claims.ATTRIBUTES}.{k}": v for k, v in attributes.items()}


def _side(customer: Customer) -> dict[str, Any]:
    names = ", ".join(_named(row) for row in customer.identities.all())
    return {"link": link_to(customer), "names": names}


def _named(identity: Identity) -> str:
    return f"{identity.source or _('visitor')}: {identity}"
