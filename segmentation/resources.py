"""Tables as django-import-export knows them: names of columns to choose from.

Its forms and pages ask for a resource; the rows themselves are read and written in sets
(``services.exporting``), and come in by the one importer.
"""

from __future__ import annotations

from import_export import fields, resources
from import_export.formats import base_formats

from segmentation.services.exporting import Column, Table


class TableResource(resources.Resource):
    @classmethod
    def get_display_name(cls) -> str:
        return cls.__name__


def resource_of(table: Table, columns: list[Column]) -> type[TableResource]:
    """A resource with these columns of a table."""
    named = {c.name: fields.Field(c.name, column_name=c.name) for c in columns}
    return type(table.name.capitalize(), (TableResource,), named)


class Parquet(base_formats.Format):
    """Typed columns for programs; nothing but the importer reads it here."""

    def get_title(self) -> str:
        return "parquet"

    def get_extension(self) -> str:
        return "parquet"

    def get_content_type(self) -> str:
        return "application/vnd.apache.parquet"

    def can_export(self) -> bool:
        return True


FORMATS = [base_formats.CSV, base_formats.XLSX, Parquet]
