"""The first operator of a fresh install."""

from __future__ import annotations

import secrets

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group

NAME = "operator"


def ensure_first() -> str | None:
    """Make the account “operator” when nobody can log in; answers its password once."""
    users = get_user_model()._default_manager
    if users.filter(is_staff=True).exists():
        return None
    password = secrets.token_urlsafe(12)
    user = users.create_superuser(NAME, password=password)
    user.groups.set(Group.objects.filter(name="Administrator"))
    return password
