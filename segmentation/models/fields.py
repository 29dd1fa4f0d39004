"""Two kinds of column that Django does not have: a 16-byte key and encrypted text."""

from __future__ import annotations

import hashlib
import hmac
import uuid
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from cryptography.fernet import Fernet, MultiFernet
from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _

from segmentation import conf


class KeyField(models.Field):
    """Sixteen bytes: ``uuid`` on PostgreSQL, a blob on SQLite, ``uuid.UUID`` in Python.

    Django's own UUIDField would cost 32 characters a row on SQLite, twice over with
    the index.
    """

    description = _("16-byte key")

    def db_type(self, connection: Any) -> str:
        return "uuid" if connection.vendor == "postgresql" else "blob"

    def from_db_value(self, value: Any, *_args: Any) -> uuid.UUID | None:
        if value is None or isinstance(value, uuid.UUID):
            return value
        return uuid.UUID(bytes=bytes(value))

    def to_python(self, value: Any) -> uuid.UUID | None:
        if value is None or isinstance(value, uuid.UUID):
            return value
        try:
            if isinstance(value, bytes):
                return uuid.UUID(bytes=value)
            return uuid.UUID(str(value))
        except ValueError as error:
            raise ValidationError(_("This is not a 16-byte key.")) from error

    def get_prep_value(self, value: Any) -> uuid.UUID | None:
        return self.to_python(super().get_prep_value(value))

    def get_db_prep_value(
        self, value: Any, connection: Any, prepared: bool = False
    ) -> Any:
        value = self.to_python(value)
        if value is None or connection.vendor == "postgresql":
            return value
        return value.bytes


class EncryptedField(models.TextField):
    """Text that the database only sees encrypted (Fernet, newest key writes).

    It cannot be searched. For equality a column ``<name>_hash`` is kept beside it:
    ``fingerprint_of(text)``, a keyed hash of what ``named_by`` finds in the text.
    """

    description = _("Encrypted text")

    def __init__(
        self, *args: Any, named_by: Callable[[str], str] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.named_by = named_by

    def fingerprint_of(self, text: str) -> str:
        assert self.named_by is not None, "nothing of this field is looked for"
        return fingerprint(self.named_by(text)) if text else ""

    def from_db_value(self, value: str | None, *_args: Any) -> str | None:
        if not value:
            return value
        return _cipher(tuple(conf.field_keys())).decrypt(value.encode()).decode()

    def get_db_prep_save(self, value: Any, connection: Any) -> Any:
        if isinstance(value, str) and value:  # else an expression, as of bulk_update
            value = _cipher(tuple(conf.field_keys())).encrypt(value.encode()).decode()
        return super().get_db_prep_save(value, connection)


def encrypt(values: list[str]) -> list[str]:
    """Encrypt many values for a bulk write; "" stays ""."""
    cipher = _cipher(tuple(conf.field_keys()))
    return [cipher.encrypt(v.encode()).decode() if v else "" for v in values]


def decrypt(values: list[str]) -> list[str]:
    """The plain texts of many stored values; "" stays ""."""
    cipher = _cipher(tuple(conf.field_keys()))
    return [cipher.decrypt(v.encode()).decode() if v else "" for v in values]


def fingerprint(value: str) -> str:
    """A keyed hash for finding equal values (HMAC-SHA-256, 32 hex digits)."""
    return hmac.new(conf.fingerprint_key(), value.encode(), hashlib.sha256).hexdigest()[
        :32
    ]


@lru_cache(maxsize=8)
def _cipher(keys: tuple[bytes, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])
