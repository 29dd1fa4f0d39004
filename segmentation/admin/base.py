"""What every admin page of both apps shares: look, audit, deeds, formats.

The base is Unfold's only where the host lists Unfold; every page works on the stock
admin too, so templates here extend ``admin/…`` and bring their own style sheet.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.contrib import admin, messages
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import PermissionDenied
from django.db import models, transaction
from django.forms import Script
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _

from segmentation.services import audit, jobs
from segmentation.templatetags.strata import number

HAS_UNFOLD = apps.is_installed("unfold")
if HAS_UNFOLD:
    from unfold.admin import ModelAdmin, StackedInline, TabularInline
else:
    from django.contrib.admin import ModelAdmin, StackedInline, TabularInline

log = logging.getLogger(__name__)


class Problem(Exception):
    """A deed of the operator cannot be done; the sentence says why."""


@dataclass(frozen=True)
class Deed:
    """A button on a row's page: POST to ``do/<name>/``, recorded in the audit trail.

    ``run(request, row)`` answers the sentence to show; ``fits(row)`` says whether the
    row's state allows it; ``permission`` is "app.codename" or "change". ``is_recorded``
    says that the service behind it writes the audit entry itself. With ``page`` the
    button leads to a page of that name, which asks before it does.
    """

    name: str
    label: Any
    run: Callable[[HttpRequest, Any], str]
    fits: Callable[[Any], bool]
    permission: str = "change"
    style: str = ""
    help: Any = ""
    confirm: Any = ""
    is_recorded: bool = False
    page: str = ""


class StrataAdmin(ModelAdmin):
    """The base of every ModelAdmin here: audited, and never a query per row."""

    list_per_page = 50
    show_full_result_count = False
    warn_unsaved_form = True
    list_fullwidth = True
    refusals: tuple[type[Exception], ...] = (Problem, jobs.Stopped)

    class Media:
        css = {"all": ["segmentation/strata.css"]}
        js = [Script("segmentation/strata.js", defer=True)]

    def save_model(
        self, request: HttpRequest, obj: Any, form: Any, change: bool
    ) -> None:
        """Write what was typed in, or what a worker wrote meanwhile would go back."""
        if not change:
            super().save_model(request, obj, form, change)
            return
        fields = obj._meta.concrete_fields
        typed = {field.name for field in fields} & set(form.changed_data)
        stamps = {f.name for f in fields if getattr(f, "auto_now", False)}
        obj.save(update_fields=typed | stamps if typed else ())

    # Audit: what a form changed, old and new --------------------------------------

    def save_related(
        self, request: HttpRequest, form: Any, formsets: Any, change: bool
    ) -> None:
        super().save_related(request, form, formsets, change)
        changes = changes_of(form)
        if changes or not change:
            word = "change" if change else "add"
            audit.record(request.user, word, form.instance, changes)
        for formset in formsets:
            self._record_inlines(request, formset)

    def _record_inlines(self, request: HttpRequest, formset: Any) -> None:
        new = {id(row) for row in formset.new_objects}
        for form in formset.forms:
            if form.has_changed() and form not in formset.deleted_forms:
                word = "add" if id(form.instance) in new else "change"
                audit.record(request.user, word, form.instance, changes_of(form))
        for row in formset.deleted_objects:
            audit.record(request.user, "delete", row, audit.values_of(row))

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        audit.record(request.user, "delete", obj, audit.values_of(obj))
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        with transaction.atomic():
            for row in queryset:
                audit.record(request.user, "delete", row, audit.values_of(row))
            super().delete_queryset(request, queryset)

    # Deeds: buttons on a row's page ------------------------------------------------

    def get_deeds(self) -> list[Deed]:
        return []

    def deeds_for(self, request: HttpRequest, row: Any) -> list[dict[str, Any]]:
        """The buttons that would work for this user on this row, with their address."""
        return [
            {"deed": deed, "url": self.deed_url(deed, row)}
            for deed in self.get_deeds()
            if deed.fits(row) and self.may(request, deed, row)
        ]

    def deed_url(self, deed: Deed, row: Any) -> str:
        if deed.page:
            return self.url(deed.page, row.pk)
        return self.url("do", row.pk, deed.name)

    def may(self, request: HttpRequest, deed: Deed, row: Any = None) -> bool:
        if deed.permission == "change":
            return self.has_change_permission(request, row)
        return request.user.has_perm(deed.permission)

    def url(self, name: str, *args: Any) -> str:
        """An address of this model's own pages, by its short name."""
        opts = self.model._meta
        return reverse(
            f"{self.admin_site.name}:{opts.app_label}_{opts.model_name}_{name}",
            args=[quote(arg) for arg in args],
        )

    def page(self, route: str, view: Callable[..., HttpResponseBase], name: str) -> Any:
        """A route for ``get_urls``, behind the admin's own login."""
        opts = self.model._meta
        return path(
            route,
            self.admin_site.admin_view(view),
            name=f"{opts.app_label}_{opts.model_name}_{name}",
        )

    def get_urls(self) -> list[Any]:
        deeds = self.page("<int:object_id>/do/<slug:name>/", self.do_view, "do")
        return [deeds, *super().get_urls()]

    def do_view(self, request: HttpRequest, object_id: int, name: str) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        row = self.row_or_refuse(request, object_id)
        name = unquote(name)  # as `url` wrote it
        deed = next((deed for deed in self.get_deeds() if deed.name == name), None)
        if deed is None or not self.may(request, deed, row):
            raise PermissionDenied
        self.perform(request, deed, row)
        return redirect(self.url("change", row.pk))

    def perform(self, request: HttpRequest, deed: Deed, row: Any) -> None:
        """Do it and say so; a refusal is a sentence on the page, not an error page."""
        if not deed.fits(row):
            text = _("“%(deed)s” does not fit the present state of “%(row)s”.")
            messages.error(request, text % {"deed": deed.label, "row": row})
            return
        before = state_of(row)
        try:
            said = deed.run(request, row)
        except self.refusals as error:
            messages.error(request, str(error))
            return
        row.refresh_from_db()
        if not deed.is_recorded:
            changes = differences(before, state_of(row))
            audit.record(request.user, deed.name, row, changes)
        messages.success(request, said)

    def row_or_refuse(self, request: HttpRequest, object_id: int) -> Any:
        row = self.get_object(request, str(object_id))
        if row is None:
            raise Http404
        if not self.has_view_permission(request, row):
            raise PermissionDenied
        return row

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        context = dict(extra_context or {})
        row = self.get_object(request, unquote(object_id))
        if row is not None and self.has_view_permission(request, row):
            context |= self.row_context(request, row)
        return super().change_view(request, object_id, form_url, context)

    def row_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        """What a row's page shows beside its form."""
        return {"deeds": self.deeds_for(request, row)}


class ReadOnly:
    """Facts: looked at, never typed in or removed here."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class FormInline(StackedInline):
    """Rows with long texts inside another row's page, each a form of its own."""


class Inline(TabularInline):
    """Rows inside another row's page; each field names itself to a screen reader."""

    def formfield_for_dbfield(
        self, db_field: Any, request: HttpRequest, **kwargs: Any
    ) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None:
            field.widget.attrs["aria-label"] = field.label
        return field


class FactInline(ReadOnly, Inline):
    """A short read-only table on another row's page."""

    extra = 0
    max_num = 0
    can_delete = False
    show_change_link = True


def changes_of(form: Any) -> dict[str, list[Any]]:
    """{field: [old, new]} of what a bound form changed."""
    return {
        name: [_old_of(form, name), form.cleaned_data.get(name)]
        for name in form.changed_data
        if name in form.fields and name != "DELETE"
    }


def _old_of(form: Any, name: str) -> Any:
    """A foreign key's form knows the old row by its key only; show its name."""
    old = form.initial.get(name)
    rows = getattr(form.fields[name], "queryset", None)
    if rows is not None and isinstance(old, int):
        return rows.model._default_manager.filter(pk=old).first()
    return old


def state_of(row: models.Model) -> dict[str, Any]:
    return {f.attname: getattr(row, f.attname) for f in row._meta.concrete_fields}


def differences(old: dict[str, Any], new: dict[str, Any]) -> dict[str, list[Any]]:
    return {k: [old[k], new[k]] for k in new if old.get(k) != new[k]}


def counted(name: str, label: Any) -> Any:
    """A column with thousands apart, sorted by the field itself."""

    @admin.display(description=label, ordering=name)
    def column(row: Any) -> str:
        return number(getattr(row, name))

    column.__name__ = f"{name}_counted"
    return column


def badge(text: Any, tone: str) -> str:
    """A coloured word; the colour only repeats what the word says."""
    return format_html('<span class="st-badge st-{}">{}</span>', tone, text)


def link_to(row: models.Model | None) -> str:
    """A link to another row's page by its name."""
    if row is None:
        return "–"
    opts = row._meta
    address = reverse(
        f"admin:{opts.app_label}_{opts.model_name}_change", args=[quote(row.pk)]
    )
    return format_html('<a class="st-link" href="{}">{}</a>', address, row)


def can_see(request: HttpRequest, model: type[models.Model]) -> bool:
    opts = model._meta
    return request.user.has_perm(f"{opts.app_label}.view_{opts.model_name}")
