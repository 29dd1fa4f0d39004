"""The wheel in somebody else's project: stock admin, no Celery, one include."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import Process, until

ROOT = Path(__file__).resolve().parent.parent
GUIDE = (ROOT / "docs" / "plugin.md").read_text(encoding="utf-8")
SALES = "customer,item,occurred_at,kind\nc-1,tea,2017-01-31,purchase\n"

# Runs inside the host: opens every list and every form of both apps.
TOUR = """
import json
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import reverse
get_user_model().objects.create_superuser("boss", password="x")
client = Client(SERVER_NAME="localhost")
client.force_login(get_user_model().objects.get())
def shown(path):
    answer = client.get(path, follow=True)
    assert b"unfold" not in answer.content.lower(), path
    return answer.status_code
told = {"home": shown(reverse("home")), "index": shown(reverse("admin:index"))}
for model, pages in admin.site._registry.items():
    if model._meta.app_label not in ("segmentation", "campaigns"):
        continue
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}_"
    told[name + "changelist"] = shown(reverse(name + "changelist"))
    request = type("Request", (), {"user": get_user_model().objects.get()})()
    if pages.has_add_permission(request):
        told[name + "add"] = shown(reverse(name + "add"))
told["schema"] = shown(reverse("api-schema"))
refused = client.get(reverse("api-segments"))
told["refused"] = [refused.status_code, refused["content-type"]]
print(json.dumps(told))
"""

QUEUE = """
from segmentation import tasks
from segmentation.services import importing
tasks.hint(importing.create_job("events", PATH, columns={}))
"""


def python_of_the_guide(number: int) -> str:
    return re.findall(r"```python\n(.*?)```", GUIDE, re.S)[number]


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """A folder with nothing but the wheel in it, built from a clean copy."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in ("segmentation", "campaigns"):
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, source / name, ignore=ignore)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    site = folder / "site"
    pip = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check"]
    wheel = [*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", folder, source]
    subprocess.run(wheel, check=True)
    (built,) = folder.glob("strata-*.whl")
    install = [*pip, "install", "--no-deps", "--no-index", "--target", site, built]
    subprocess.run(install, check=True)
    return site


class Host:
    """A project as ``startproject`` makes it, changed only as the guide says."""

    def __init__(self, folder: Path, site: Path) -> None:
        self.folder = folder
        keep = ("PATH", "HOME", "LANG", "TMPDIR")
        self.env = {n: os.environ[n] for n in keep if n in os.environ}
        self.env |= {"PYTHONPATH": str(site), "DJANGO_SETTINGS_MODULE": "host.settings"}
        self.say("-m", "django", "startproject", "host", str(folder))
        settings = folder / "host" / "settings.py"
        added = python_of_the_guide(0) + python_of_the_guide(2)
        settings.write_text(settings.read_text() + added)
        line = python_of_the_guide(1)
        (folder / "host" / "urls.py").write_text(
            "from django.contrib import admin\n"
            "from django.urls import include, path\n"
            f'urlpatterns = [path("admin/", admin.site.urls),\n{line}]\n'
        )
        self.say("manage.py", "migrate", "-v0")

    def say(self, *command: str) -> str:
        done = subprocess.run(
            [sys.executable, *command],
            cwd=self.folder,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def shell(self, code: str) -> str:
        return self.say("manage.py", "shell", "-v0", "-c", code)


@pytest.fixture(scope="module")
def host(installed, tmp_path_factory) -> Host:
    return Host(tmp_path_factory.mktemp("host"), installed)


@pytest.mark.slow
def test_the_apps_come_from_the_wheel_and_the_project_stays_at_home(host):
    code = "import segmentation; print(segmentation.__file__)"
    assert host.env["PYTHONPATH"] in host.shell(code)
    assert not (Path(host.env["PYTHONPATH"]) / "recsys_project").exists()
    host.say("manage.py", "makemigrations", "--check", "--dry-run")
    host.say("manage.py", "check")


@pytest.mark.slow
def test_every_admin_page_opens_on_the_stock_admin(host):
    told = json.loads(host.shell(TOUR).splitlines()[-1])
    assert told.pop("refused") == [401, "application/problem+json"]
    assert {page: status for page, status in told.items() if status != 200} == {}
    assert len(told) > 25


@pytest.mark.slow
def test_a_host_without_celery_does_queued_deeds_with_work(host):
    path = host.folder / "sales.csv"
    path.write_text(SALES)
    log = host.folder / "work.log"
    manage = [sys.executable, str(host.folder / "manage.py"), "work"]
    work = Process(manage, host.env, log)
    try:
        host.shell(QUEUE.replace("PATH", repr(str(path))))
        status = (
            "from segmentation.models import ImportJob;"
            "job = ImportJob.objects.get(); print(job.status, job.rows_new)"
        )
        until(lambda: host.shell(status).split() == ["done", "1"], of=work)
    finally:
        work.end()
