"""Small tables through django-import-export: look at what changes, then apply."""

from __future__ import annotations

from typing import Any

from import_export import fields, resources, widgets

from segmentation.models import Category, Item

# A cell that begins like this is a formula to a spreadsheet (OWASP: CSV injection).
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def harmless(value: Any) -> Any:
    """Text that no spreadsheet runs; ``plain`` takes the mark off again."""
    if isinstance(value, str) and value.startswith(FORMULA_STARTS):
        return f"'{value}"
    return value


def plain(value: Any) -> Any:
    if isinstance(value, str) and value[:1] == "'" and value[1:2] in FORMULA_STARTS:
        return value[1:]
    return value


class CategoryWidget(widgets.ForeignKeyWidget):
    """A category by its name; one that is not known yet is made."""

    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> Category | None:
        name = str(value or "").strip()
        if not name:
            return None
        return Category.objects.get_or_create(name=name[:200])[0]


class ItemResource(resources.ModelResource):
    category = fields.Field("category", "category", CategoryWidget(Category, "name"))

    class Meta:
        model = Item
        import_id_fields = ("external_id",)
        fields = (
            "external_id",
            "title",
            "group",
            "category",
            "brand",
            "price",
            "currency",
            "url",
            "image",
            "available",
            "description",
        )
        export_order = fields
        skip_unchanged = True
        report_skipped = True
        use_transactions = True

    def get_queryset(self) -> Any:
        return super().get_queryset().select_related("category")

    def export_field(self, field: Any, instance: Any, **kwargs: Any) -> Any:
        return harmless(super().export_field(field, instance, **kwargs))

    def before_import_row(self, row: Any, **kwargs: Any) -> None:
        for name, value in row.items():
            row[name] = plain(value)
