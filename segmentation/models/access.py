"""Who may call the API, and the secrets that sign for customers."""

from __future__ import annotations

import hashlib
import secrets
from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _

from segmentation.models.catalog import Source
from segmentation.models.fields import EncryptedField


class ApiKey(models.Model):
    """A key of a storefront. Only its SHA-256 is kept; it is shown once."""

    class Kind(models.TextChoices):
        SERVER = "server", _("server key")
        PUBLISHABLE = "publishable", _("publishable key")

    name = models.CharField(_("name"), max_length=80)
    kind = models.CharField(_("kind"), max_length=12, choices=Kind)
    source = models.ForeignKey(
        Source,
        models.PROTECT,
        verbose_name=_("source"),
        help_text=_("Ids in this key's calls are ids of this source."),
    )
    prefix = models.CharField(_("begins with"), max_length=12, editable=False)
    key_hash = models.CharField(max_length=64, unique=True, editable=False)
    scopes = models.JSONField(
        _("scopes"),
        default=list,
        blank=True,
        help_text=_("Empty means everything that this kind of key may do."),
    )
    allowed_origins = models.JSONField(_("allowed origins"), default=list, blank=True)
    rate_per_minute = models.PositiveIntegerField(_("calls a minute"), default=6000)
    is_active = models.BooleanField(_("active"), default=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("API key")
        verbose_name_plural = _("API keys")

    def __str__(self) -> str:
        return self.name

    @classmethod
    def issue(cls, **fields: Any) -> tuple[ApiKey, str]:
        """Make a key; its text is returned this once and never stored."""
        kind = fields["kind"]
        text = (
            f"{'sk' if kind == cls.Kind.SERVER else 'pk'}_{secrets.token_urlsafe(32)}"
        )
        key = cls.objects.create(prefix=text[:9], key_hash=cls.hash_of(text), **fields)
        return key, text

    @staticmethod
    def hash_of(text: str) -> str:
        """A key has 256 random bits, so one round of SHA-256 is enough."""
        return hashlib.sha256(text.encode()).hexdigest()


class SigningSecret(models.Model):
    """A secret of ours that signs customer tokens and tracking links; newest signs."""

    key_id = models.CharField(_("key id"), max_length=16, unique=True)
    secret = EncryptedField()
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    retired_at = models.DateTimeField(_("retired"), null=True, blank=True)

    class Meta:
        verbose_name = _("signing secret")
        verbose_name_plural = _("signing secrets")

    def __str__(self) -> str:
        return self.key_id
