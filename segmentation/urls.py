"""Addresses of this app's pages and API."""

from __future__ import annotations

urlpatterns: list = []
