"""Commands: one JSON object at the end, calm progress, and what each exit means."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from segmentation.management.base import read_settings
from segmentation.management.commands import serve
from segmentation.models import AuditEntry, Event, Mapping, ModelRun
from tests.segmentation.services import behaviour
from tests.segmentation.services.imports import write

pytestmark = pytest.mark.django_db

SALES = "customer,item,occurred_at,kind\nc-1,tea,2017-01-31,view\nc-1,milk,never,view\n"
IMPORT_KEYS = {
    "job_id",
    "kind",
    "rows_read",
    "rows_new",
    "rows_updated",
    "rows_unchanged",
    "rows_duplicate",
    "rows_rejected",
    "rows_ignored",
    "rejects_path",
    "seconds",
    "quality",
    "findings",
}


def run(*arguments: str) -> dict:
    """What a command says in JSON on its last line; it says nothing else there."""
    output = io.StringIO()
    call_command(*arguments, "--json", stdout=output, stderr=io.StringIO())
    (line,) = output.getvalue().splitlines()
    return json.loads(line)


def test_import_data_tells_its_six_counts_and_where_the_rejects_are(tmp_path):
    told = run("import_data", "events", str(write(tmp_path, SALES)))
    assert set(told) == IMPORT_KEYS
    assert (told["rows_read"], told["rows_new"], told["rows_rejected"]) == (2, 1, 1)
    refused = Path(told["rejects_path"]).read_text("utf-8-sig")
    assert "occurred_at is not a date" in refused
    assert told["seconds"] >= 0 and told["quality"]["missing"]["item"] == 0
    again = run("import_data", "events", str(write(tmp_path, SALES)), "--dry-run")
    assert again["rows_duplicate"] == 1 and Event.objects.count() == 1


def test_import_data_takes_a_saved_mapping_or_json(tmp_path):
    path = str(write(tmp_path, "who,what,when\nc-1,tea,2017-01-31\n"))
    columns = {"customer": "who", "item": "what", "occurred_at": "when"}
    columns["kind"] = "=purchase"
    Mapping.objects.create(name="till", kind="events", columns=columns)
    assert run("import_data", "events", path, "--mapping", "till")["rows_new"] == 1
    told = run("import_data", "events", path, "--mapping", json.dumps(columns))
    assert told["rows_duplicate"] == 1
    told = run("import_data", "events", path, "--mapping=till", "--source", "tills")
    assert told["rows_new"] == 1


@pytest.mark.parametrize(
    ("mapping", "says"),
    [
        ("till", "no saved mapping “till” for events"),
        ("{not json", "mapping is not JSON"),
        ('{"item": 3}', "needs the name of a column"),
        ('{"item": "what"}', "nothing about"),
    ],
)
def test_a_mapping_that_cannot_be_is_refused(mapping, says, tmp_path):
    path = str(write(tmp_path, "who,what\nc-1,tea\n"))
    with pytest.raises(CommandError, match=says):
        run("import_data", "events", path, "--mapping", mapping)


def test_train_tells_the_run_and_promotes_it_when_asked():
    behaviour.world()
    few = ("--set", "min_lines=3")
    told = run("train", "popularity", "--purpose", "again", *few)
    assert set(told) == {
        "run_id",
        "algorithm",
        "purpose",
        "metrics",
        "seconds",
        "promoted",
        "gate",
    }
    parts = {"load", "fit", "evaluate", "beside", "refit", "lists"}
    assert set(told["seconds"]) == parts
    assert (told["algorithm"], told["purpose"]) == ("popularity", "again")
    assert told["promoted"] is False and told["gate"]["passed"] is True
    better = run("train", "personal_frequency", "--purpose=again", "--promote", *few)
    assert better["promoted"] is True
    assert ModelRun.objects.get(stage="live").pk == better["run_id"]
    # Popularity is worse here: the gate keeps it out.
    worse = run("train", "popularity", "--purpose", "again", "--promote", *few)
    assert worse["promoted"] is False and worse["gate"]["passed"] is False
    assert ModelRun.objects.get(stage="live").pk == better["run_id"]
    assert ModelRun.objects.get(pk=worse["run_id"]).gate["passed"] is False
    with pytest.raises(CommandError, match="--promote nevertheless"):
        run("train", "popularity", "--purpose", "again", "--overrule", "I say so")
    why = ("--promote", "--overrule", "I say so")
    told = run("train", "popularity", "--purpose", "again", *why, *few)
    assert told["promoted"] is True and told["gate"]["passed"] is False
    assert told["gate"]["overruled"]["reason"] == "I say so"
    assert ModelRun.objects.get(stage="live").pk == told["run_id"]
    entry = AuditEntry.objects.latest("pk")
    assert (entry.action, entry.actor_name[-5:]) == ("overrule_gate", "train")


def test_segment_tells_its_segments():
    behaviour.world()
    behaviour.live("als", "taste", n_factors=3, iterations=8)
    told = run("segment", "kmeans", "--set", "n_clusters=2")
    assert set(told) == {
        "segment_set_id",
        "method",
        "k",
        "n_customers",
        "scores",
        "segments",
        "seconds",
    }
    assert (told["k"], told["n_customers"]) == (2, 24)
    assert all(set(each) == {"id", "name", "size"} for each in told["segments"])


def test_settings_of_a_model_are_numbers_flags_or_text():
    told = read_settings(["n=3", "x=.5", "y=0.5", "on=true", "name=a=b", "none=null"])
    assert told == {
        "n": 3,
        "x": ".5",
        "y": 0.5,
        "on": True,
        "name": "a=b",
        "none": None,
    }
    for wrong in ("n", "=3"):
        with pytest.raises(CommandError, match="form name=value"):
            read_settings([wrong])


def test_progress_goes_to_standard_error_and_nothing_of_it_to_standard_output(tmp_path):
    output, progress = io.StringIO(), io.StringIO()
    path = str(write(tmp_path, SALES))
    call_command(
        "import_data", "events", path, "--json", stdout=output, stderr=progress
    )
    assert "Writing events: 1 of 1" in progress.getvalue()
    assert len(output.getvalue().splitlines()) == 1


def test_without_json_a_person_reads_lines(tmp_path):
    output = io.StringIO()
    path = str(write(tmp_path, SALES))
    call_command("import_data", "events", path, stdout=output, stderr=io.StringIO())
    assert "rows_new: 1" in output.getvalue().splitlines()


@pytest.mark.slow
def test_exit_statuses_and_streams_of_real_commands(started, tmp_path):
    good, empty = write(tmp_path, SALES), write(tmp_path, "")
    done = started.manage("import_data", "events", str(good), "--json")
    refused = started.manage("import_data", "events", str(empty), "--json")
    wrong = started.manage("import_data", "nonsense", str(good))
    unknown = started.manage("train", "magic")
    assert done.wait() == 0
    assert json.loads(done.said().splitlines()[-1])["rows_new"] == 1
    assert refused.wait() == 1
    assert "The file is empty." in refused.said()
    assert "Traceback" not in refused.said()
    assert (wrong.wait(), unknown.wait()) == (2, 2)


def test_links_lead_to_the_port_that_is_served_unless_told_otherwise(monkeypatch):
    monkeypatch.setenv("PUBLIC_URL", "https://shop.example")
    serve.lead_here("0.0.0.0", 8140)  # noqa: S104 (nothing is bound)
    assert os.environ["PUBLIC_URL"] == "https://shop.example"
    monkeypatch.delenv("PUBLIC_URL")
    serve.lead_here("0.0.0.0", 8140)  # noqa: S104
    assert os.environ["PUBLIC_URL"] == "http://127.0.0.1:8140"
