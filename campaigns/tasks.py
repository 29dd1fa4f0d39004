"""The score of campaigns: beat finds what is due, a worker plans and sends it."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from campaigns.models import Launch
from campaigns.services import planning, sending
from segmentation.services import jobs
from segmentation.tasks import hint


@shared_task(name="campaigns.tasks.start_due_launches")
def start_due_launches() -> None:
    planning.settle()
    for launch in planning.start_due(timezone.now()):
        hint(launch)


@shared_task(name=Launch.task, throws=(jobs.Stopped,))
def run_launch(launch_id: int) -> None:
    sending.run(Launch.objects.select_related("campaign").get(pk=launch_id))
