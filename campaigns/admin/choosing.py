"""Choosing segments: boxes to tick, live segments and those that were chosen before."""

from __future__ import annotations

from typing import Any

from django.db.models import Q
from django.forms import CheckboxSelectMultiple
from django.http import HttpRequest

from segmentation.admin.base import StrataAdmin
from segmentation.models import SegmentSet


class SegmentBoxes(StrataAdmin):
    """For a ModelAdmin with a many-to-many ``segments``.

    A segment of a set that is retired stays choosable where it was chosen, or saving
    the page would quietly change the audience.
    """

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        form = super().get_form(request, obj, change, **kwargs)
        field = form.base_fields.get("segments")
        if field is not None:
            shown = Q(segment_set__stage=SegmentSet.Stage.LIVE)
            if obj is not None:
                shown |= Q(pk__in=obj.segments.values("pk"))
            field.queryset = field.queryset.filter(shown).order_by("-size")
            field.label_from_instance = _with_size
        return form

    def formfield_for_manytomany(
        self, db_field: Any, request: HttpRequest, **kwargs: Any
    ) -> Any:
        if db_field.name == "segments":
            kwargs["widget"] = CheckboxSelectMultiple(attrs={"class": "st-box"})
        field = super().formfield_for_manytomany(db_field, request, **kwargs)
        if field is not None and db_field.name == "segments":
            field.help_text = db_field.help_text
        return field


def _with_size(segment: Any) -> str:
    return f"{segment.name} ({segment.size:,})"
