"""The clockwork: one Celery app, and the few sweeps that beat sets off.

What an operator schedules is a row; beat only wakes the sweeps that look at rows.
A host without a Celery app of its own gets this one (``segmentation.apps``).
"""

from __future__ import annotations

import contextlib
import time
import uuid
from pathlib import Path
from typing import Any

from celery import Celery
from celery.beat import PersistentScheduler, ScheduleEntry
from django.db import close_old_connections
from kombu import Queue
from kombu.transport import filesystem
from kombu.utils.json import dumps

QUEUES = ("default", "train", "send")
SWEEP_SECONDS = 3.0
PLANS_SECONDS = 10.0
NEWS_SECONDS = 60.0
FILES_SECONDS = 3600.0
SWEEP_EXPIRES_SECONDS = 15.0  # after a busy time one sweep is as good as a hundred

BEAT: dict[str, dict[str, Any]] = {
    "take up what was left": {
        "task": "segmentation.tasks.sweep_jobs",
        "schedule": SWEEP_SECONDS,
        "options": {"expires": SWEEP_EXPIRES_SECONDS},
    },
    "remove old files": {
        "task": "segmentation.tasks.sweep_files",
        "schedule": FILES_SECONDS,
        "options": {"expires": FILES_SECONDS},
    },
    "train what is due": {
        "task": "segmentation.tasks.sweep_plans",
        "schedule": PLANS_SECONDS,
        "options": {"expires": SWEEP_EXPIRES_SECONDS},
    },
    "look for news": {
        "task": "segmentation.tasks.sweep_news",
        "schedule": NEWS_SECONDS,
        "options": {"expires": NEWS_SECONDS},
    },
    "start what is due": {
        "task": "campaigns.tasks.start_due_launches",
        "schedule": SWEEP_SECONDS,
        "options": {"expires": SWEEP_EXPIRES_SECONDS},
    },
}


class Sweeper(PersistentScheduler):
    """Does our sweeps in beat itself: they must not wait behind two hour-long imports.

    They are short, and no broker is needed for them; other entries go their usual way.
    """

    def apply_async(
        self,
        entry: ScheduleEntry,
        producer: Any = None,
        advance: bool = True,
        **kwargs: Any,
    ) -> Any:
        if BEAT.get(entry.name, {}).get("task") != entry.task:
            return super().apply_async(entry, producer, advance, **kwargs)
        close_old_connections()  # one that broke is not used for ever
        try:
            self.app.tasks[entry.task]()
        finally:
            close_old_connections()
        return None


def make_app(name: str = "strata") -> Celery:
    """Build the Celery app; Django's settings are read when it is first used."""
    app = Celery(name)
    app.add_defaults(_defaults)
    app.config_from_object("django.conf:settings", namespace="CELERY")
    app.autodiscover_tasks()
    return app


def _defaults() -> dict[str, Any]:
    from segmentation import conf  # Django's settings exist by now

    with contextlib.suppress(OSError):  # a system check names a home like that
        (conf.home() / "beat").mkdir(parents=True, exist_ok=True)
    config: dict[str, Any] = {
        "task_queues": [Queue(name, routing_key=name) for name in QUEUES],
        "task_default_queue": "default",
        "task_ignore_result": True,
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "worker_prefetch_multiplier": 1,
        "worker_hijack_root_logger": False,
        "broker_connection_retry_on_startup": True,
        # A message is only a hint: an enqueuer never waits for a broken broker.
        "task_publish_retry": False,
        "beat_schedule": BEAT,
        "beat_scheduler": "segmentation.clock:Sweeper",
        "beat_schedule_filename": str(conf.home() / "beat" / "schedule"),
        "timezone": "UTC",
    }
    if not conf.broker_url():
        config |= _filesystem_broker()
    elif conf.broker_url().startswith(("redis://", "rediss://")):
        # Nor does a person's page wait: one try, without the pauses between several.
        config["broker_transport_options"] = {
            "max_retries": 1,
            "interval_start": 0,
            "interval_step": 0,
            "interval_max": 0,
            "socket_connect_timeout": 3,
        }
    return config


class _WholeFiles(filesystem.Channel):
    """A message gets its name when it is whole.

    kombu writes under the final name: a reader that is quick, or a writer that is
    killed, would leave half a message, and a worker that reads one ends.
    """

    def _put(self, queue: Any, payload: Any, **_options: Any) -> None:  # type: ignore[override]
        name = f"{round(time.monotonic() * 1000)}_{uuid.uuid4()}.{queue}.msg"
        whole = Path(self.data_folder_out) / name
        part = whole.with_suffix(".part")
        part.write_text(dumps(payload))
        part.replace(whole)


def _filesystem_broker() -> dict[str, Any]:
    from segmentation import conf

    filesystem.Transport.Channel = _WholeFiles
    folders = {name: conf.home() / "broker" / name for name in ("queue", "control")}
    for folder in folders.values():
        folder.mkdir(parents=True, exist_ok=True)
    return {
        "broker_url": "filesystem://localhost//",
        "broker_transport_options": {
            "data_folder_in": str(folders["queue"]),
            "data_folder_out": str(folders["queue"]),
            "control_folder": str(folders["control"]),
            "polling_interval": 0.1,
        },
        # There is nobody to answer: cancel and pause go through rows.
        "worker_enable_remote_control": False,
        "worker_send_task_events": False,
    }
