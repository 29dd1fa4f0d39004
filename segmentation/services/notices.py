"""What an operator should know, told once."""

from __future__ import annotations

from django.utils import timezone
from django.utils.translation import gettext as _

from segmentation.models import Job, Notice


def tell(level: str, title: str, text: str, *, key: str, link: str = "") -> Notice:
    """Put up a notice; the same key again renews it instead of piling up."""
    notice, _created = Notice.objects.update_or_create(
        dedupe_key=key,
        defaults={
            "level": level,
            "title": title[:200],
            "text": text,
            "link": link,
            "created_at": timezone.now(),
            "resolved_at": None,
        },
    )
    return notice


def about_failed(job: Job, text: str) -> Notice:
    name = type(job)._meta.verbose_name
    return tell(
        Notice.Level.ERROR,
        _("%(kind)s “%(job)s” failed") % {"kind": str(name).capitalize(), "job": job},
        text,
        key=f"{job._meta.label_lower}:{job.pk}:failed",
        link=f"{job._meta.app_label}:{job._meta.model_name}:{job.pk}",
    )
