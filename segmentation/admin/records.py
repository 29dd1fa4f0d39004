"""What was changed by whom, and what an operator should know."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.contrib import admin
from django.contrib.admin.utils import quote
from django.db.models import F
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from segmentation.admin.base import (
    Deed,
    ReadOnly,
    StrataAdmin,
    badge,
    can_see,
    differences,
    state_of,
)
from segmentation.admin.jobs import NO_SAVING
from segmentation.models import AuditEntry, Notice
from segmentation.services import audit

DEEDS = {  # as `audit.record` has them → in the reader's language
    "add": gettext_lazy("added"),
    "change": gettext_lazy("changed"),
    "delete": gettext_lazy("deleted"),
    "import": gettext_lazy("imported"),
    "dry_run": gettext_lazy("tried an import"),
    "undo": gettext_lazy("took an import back"),
    "export": gettext_lazy("exported"),
    "download": gettext_lazy("downloaded"),
    "look": gettext_lazy("looked at the data"),
    "quarantined": gettext_lazy("put in quarantine"),
    "kept": gettext_lazy("kept as ordinary"),
    "merge": gettext_lazy("merged"),
    "unmerge": gettext_lazy("took a merge back"),
    "train": gettext_lazy("trained"),
    "build": gettext_lazy("divided customers"),
    "promote": gettext_lazy("made live"),
    "roll_back": gettext_lazy("rolled back"),
    "cancel": gettext_lazy("cancelled"),
    "again": gettext_lazy("tried again"),
    "launch campaign": gettext_lazy("launched"),
    "schedule campaign": gettext_lazy("scheduled"),
    "pause campaign": gettext_lazy("paused"),
    "resume campaign": gettext_lazy("resumed"),
    "cancel campaign": gettext_lazy("cancelled"),
    "change password": gettext_lazy("changed a password"),
    "erase customer": gettext_lazy("erased a customer"),
    "seen_to": gettext_lazy("saw to it"),
}
TONES = {"info": "plain", "warning": "wait", "error": "bad"}


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnly, StrataAdmin):
    list_display = ("at", "who", "did", "kind_of_subject", "link", "summary")
    list_filter = ("action", "subject_kind")
    search_fields = ("actor_name", "subject", "subject_id")
    show_facets = admin.ShowFacets.NEVER
    fields = ("at", "who", "did", "kind_of_subject", "link", "table")
    ordering = ("-pk",)
    actions = None

    @admin.display(description=gettext_lazy("who"), ordering="actor_name")
    def who(self, entry: AuditEntry) -> str:
        return entry.actor_name or _("the system")

    @admin.display(description=gettext_lazy("did"), ordering="action")
    def did(self, entry: AuditEntry) -> str:
        told = DEEDS.get(entry.action, entry.action.replace("_", " "))
        return badge(told, "plain")

    @admin.display(description=gettext_lazy("kind"), ordering="subject_kind")
    def kind_of_subject(self, entry: AuditEntry) -> str:
        try:
            return str(apps.get_model(entry.subject_kind)._meta.verbose_name)
        except (LookupError, ValueError):
            return entry.subject_kind

    @admin.display(description=gettext_lazy("subject"), ordering="subject")
    def link(self, entry: AuditEntry) -> str:
        address = ""
        if entry.subject_id and entry.action != "delete":
            address = address_of(entry.subject_kind.replace(".", ":"), entry.subject_id)
        return linked(address, entry.subject)

    @admin.display(description=gettext_lazy("changes"))
    def summary(self, entry: AuditEntry) -> str:
        return ", ".join(list(entry.changes)[:6]) or "–"

    @admin.display(description=gettext_lazy("changes"))
    def table(self, entry: AuditEntry) -> str:
        lines = [
            (name, *map(_shown, pair if _is_pair(pair) else ("", pair)))
            for name, pair in entry.changes.items()
        ]
        if not lines:
            return "–"
        body = format_html_join(
            "", "<tr><th scope='row'>{}</th><td>{}</td><td>{}</td></tr>", lines
        )
        head = (_("field"), _("before"), _("after"))
        return format_html(
            '<table class="st-table"><thead><tr><th scope="col">{}</th>'
            '<th scope="col">{}</th><th scope="col">{}</th></tr></thead>'
            "<tbody>{}</tbody></table>",
            *head,
            body,
        )


def _is_pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2


def _shown(value: Any) -> Any:
    return "–" if value is None else value


@admin.register(Notice)
class NoticeAdmin(StrataAdmin):
    change_form_template = "segmentation/admin/with_deeds.html"
    list_display = ("title", "level_badge", "about", "created_at", "resolved_at")
    list_filter = (("resolved_at", admin.EmptyFieldListFilter), "level")
    search_fields = ("title", "text")
    fields = ("title", "level_badge", "text", "about", "created_at", "resolved_at")
    readonly_fields = fields
    ordering = ("resolved_at", "-created_at")
    actions = ("mark_as_seen_to",)

    def get_queryset(self, request: HttpRequest) -> Any:
        """Open ones first on both databases: NULL sorts differently in each."""
        rows = super().get_queryset(request)
        return rows.order_by(F("resolved_at").desc(nulls_first=True), "-created_at")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_deeds(self) -> list[Deed]:
        label = gettext_lazy("Mark as seen to")
        is_open = lambda notice: notice.resolved_at is None  # noqa: E731
        return [Deed("seen_to", label, self._see_to, is_open, style="main")]

    def row_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        return super().row_context(request, row) | NO_SAVING

    def _see_to(self, request: HttpRequest, notice: Notice) -> str:
        Notice.objects.filter(pk=notice.pk).update(resolved_at=timezone.now())
        return _("Marked as seen to.")

    @admin.action(description=gettext_lazy("Mark as seen to"), permissions=("change",))
    def mark_as_seen_to(self, request: HttpRequest, queryset: Any) -> None:
        rows = list(queryset.filter(resolved_at=None))
        for row in rows:
            before = state_of(row)
            row.resolved_at = timezone.now()
            row.save(update_fields=["resolved_at"])
            changes = differences(before, state_of(row))
            audit.record(request.user, "seen_to", row, changes)
        n = len(rows)
        text = ngettext(
            "%(n)d notice is marked as seen to.",
            "%(n)d notices are marked as seen to.",
            n,
        )
        self.message_user(request, text % {"n": n})

    @admin.display(description=gettext_lazy("level"), ordering="level")
    def level_badge(self, notice: Notice) -> str:
        return badge(notice.get_level_display(), TONES.get(notice.level, "plain"))

    @admin.display(description=gettext_lazy("about"))
    def about(self, notice: Notice) -> str:
        return linked(address_of(notice.link), _("Open")) if notice.link else "–"


def address_of(link: str, pk: str | None = None) -> str:
    """The page of "app:model:pk" (or of "app:model" and a key); "" when it has none."""
    parts = link.split(":", 2)
    if pk is not None:
        parts = [*parts[:2], pk]
    if len(parts) != 3:
        return ""
    app, model, key = parts
    try:
        return reverse(f"admin:{app}_{model}_change", args=[quote(key)])
    except NoReverseMatch:
        return ""


def linked(address: str, text: Any) -> str:
    if not address:
        return str(text)
    return format_html('<a class="st-link" href="{}">{}</a>', address, text)


def open_notices(request: HttpRequest) -> str:
    """How many notices wait, for the badge in the sidebar; empty for none."""
    if not can_see(request, Notice):
        return ""
    n = Notice.objects.filter(resolved_at=None).count()
    return str(n) if n else ""
