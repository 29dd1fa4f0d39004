"""Pages over tables too long to be counted for every click."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from django.contrib import admin
from django.core.paginator import Paginator
from django.db import connection, models
from django.http import HttpRequest

from segmentation.admin.base import ReadOnly, StrataAdmin

EXACT_BELOW = 100_000


def about_how_many(model: type[models.Model]) -> int:
    """How many rows a table has: exact while short, else the database's estimate."""
    table = model._meta.db_table
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            sql = "SELECT reltuples::bigint FROM pg_class WHERE oid = %s::regclass"
            cursor.execute(sql, [f'"{table}"'])
        else:
            cursor.execute(f'SELECT max(rowid) FROM "{table}"')
        guess = cursor.fetchone()[0] or 0
    if guess > EXACT_BELOW:
        return int(guess)
    return model._default_manager.count()


class EstimatingPaginator(Paginator):
    """Counts at most EXACT_BELOW rows of a filtered list, estimates a whole table."""

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        if rows.query.where:
            return rows.order_by()[:EXACT_BELOW].count()
        return about_how_many(rows.model)


class Facts(ReadOnly, StrataAdmin):
    """A long log: no facets, no sorting by what has no index, no counting."""

    paginator = EstimatingPaginator
    show_facets = admin.ShowFacets.NEVER
    list_max_show_all = 0
    actions = None

    def get_sortable_by(self, request: HttpRequest) -> tuple[str, ...]:
        return ()
