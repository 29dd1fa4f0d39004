"""Pages with pictures: models side by side, segments, and numbers for people."""

from __future__ import annotations

import gzip
import json

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import translation

from segmentation.admin import charts
from segmentation.models import (
    AuditEntry,
    Customer,
    ModelRun,
    Segment,
    SegmentSet,
)
from segmentation.templatetags import strata
from tests.segmentation.test_admin import page, signed_in

db = pytest.mark.django_db
COMPARE = "admin:segmentation_modelrun_compare"


def interval(mean: float, low: float, high: float) -> dict[str, float]:
    return {"mean": mean, "low": low, "high": high}


def judged(algorithm: str, ndcg: dict[str, float], **fields) -> ModelRun:
    """A finished run that was measured on ``again``."""
    measured = {"ndcg": ndcg, "recall": ndcg, "coverage": {"mean": 0.5}, "n_users": 9}
    valid = {"again": {"ndcg": {"mean": ndcg["mean"]}}}
    return ModelRun.objects.create(
        algorithm=algorithm,
        purpose="again",
        status="done",
        artifact=f"{algorithm}-1",
        metrics={"again": measured, "validation": valid},
        **fields,
    )


def table(client: Client):
    return client.get(reverse(COMPARE)).context["tables"][0]


@db
def test_models_stand_beside_what_is_simple_with_the_best_and_the_live_marked():
    judged("popularity", interval(0.18, 0.17, 0.19))
    judged("als", interval(0.25, 0.24, 0.26))
    judged("personal_frequency", interval(0.42, 0.41, 0.43), stage="live")
    shown = table(signed_in("Viewer"))
    assert [line.run.algorithm for line in shown.lines] == [
        "personal_frequency",
        "als",
        "popularity",
    ]
    best = shown.lines[0]
    assert (best.is_live, best.is_best, best.is_baseline) == (True, True, True)
    assert "simple Personal frequency beats" in shown.verdict
    marks = json.loads(shown.figure)["data"][0]
    assert marks["error_x"]["arrayminus"][0] == pytest.approx(0.01)


@db
def test_each_network_of_an_algorithm_has_a_line_of_its_own():
    for network in ("gmf", "mlp"):
        judged("ncf", interval(0.2, 0.1, 0.3), chosen_params={"network": network})
    shown = table(signed_in("Viewer"))
    assert {line.name for line in shown.lines} == {"Neural CF (GMF)", "Neural CF (MLP)"}


@db
@pytest.mark.parametrize(
    ("ndcg", "words"),
    [
        (interval(0.3, 0.29, 0.31), "ALS matrix factorisation beats Popularity"),
        (interval(0.19, 0.17, 0.21), "cannot be told apart"),
    ],
)
def test_the_verdict_claims_no_more_than_the_intervals(ndcg, words):
    judged("popularity", interval(0.18, 0.17, 0.19))
    judged("als", ndcg)
    assert words in table(signed_in("Viewer")).verdict


@db
@pytest.mark.parametrize("metrics", [{}, {"again": {}}, {"again": {"ndcg": 0.3}}])
def test_runs_with_few_numbers_do_not_break_the_pages(metrics):
    run = ModelRun.objects.create(algorithm="als", purpose="again", metrics=metrics)
    client = signed_in("Viewer")
    assert client.get(reverse(COMPARE)).status_code == 200
    assert client.get(page(ModelRun)).status_code == 200
    assert client.get(page(ModelRun, "change", run.pk)).status_code == 200


@db
def test_training_is_asked_for_with_a_button_and_refused_with_a_sentence():
    client = signed_in("Analyst")
    wrong = {"algorithm": "personal_frequency", "purpose": "discover"}
    answer = client.post(reverse(COMPARE), wrong)
    assert "cannot discover" in answer.content.decode()
    assert not ModelRun.objects.exists()
    right = {"algorithm": "als", "purpose": "taste", "params": '{"n_factors": 8}'}
    client.post(reverse(COMPARE), right)
    run = ModelRun.objects.get()
    assert (run.status, run.params) == ("queued", {"n_factors": 8})
    assert AuditEntry.objects.get().action == "train"


@db
def test_a_viewer_sees_no_training_and_may_not_train():
    viewer = signed_in("Viewer")
    assert viewer.get(reverse(COMPARE)).context["form"] is None
    wanted = {"algorithm": "als", "purpose": "taste"}
    assert viewer.post(reverse(COMPARE), wanted).status_code == 403


@db
def test_segments_are_shown_with_sizes_what_they_like_and_one_picture():
    made = SegmentSet.objects.create(
        method="kmeans",
        status="done",
        n_customers=1_300,
        picture={"x": [0, 1], "y": [0, 1], "label": [0, 1]},
        k_curve=[
            {"k": 2, "silhouette": 0.3, "inertia": 9},
            {"k": 3, "silhouette": 0.2},
        ],
    )
    lift = {"name": "Wine", "lift": 2.5, "low": 2.0, "high": 3.1}
    for label, size in ((0, 1_200), (1, 100)):
        Segment.objects.create(
            segment_set=made,
            label=label,
            name=f"S{label}",
            size=size,
            profile={"categories": [lift]},
        )
    client = signed_in("Viewer")
    shown = client.get(page(SegmentSet, "change", made.pk))
    text = shown.content.decode()
    assert "1,200" in text
    assert "Wine" in text
    assert [mark["name"] for mark in json.loads(shown.context["map"])["data"]] == [
        "S0",
        "S1",
    ]
    segment = made.segments.first()
    row = client.get(page(Segment, "change", segment.pk))
    assert json.loads(row.context["figure"])["data"][0]["x"] == [2.5]


@db
def test_dividing_customers_without_vectors_is_refused_in_words():
    client = signed_in("Analyst")
    Customer.objects.create(created_at="2026-01-01T00:00Z")
    answer = client.post(page(SegmentSet, "add"), {"method": "kmeans"})
    assert "train one first" in answer.content.decode()
    assert not SegmentSet.objects.exists()


def test_plotlys_script_is_our_own_and_kept_by_the_browser(client):
    address = reverse("plotly_script")
    answer = client.get(address, headers={"accept-encoding": "gzip"})
    assert b"Plotly" in gzip.decompress(answer.content)
    assert "max-age=31536000" in answer["Cache-Control"]
    again = client.get(address, headers={"if-none-match": answer["ETag"]})
    assert again.status_code == 304


def test_figures_name_more_segments_than_there_are_colours():
    labels = list(range(25))
    picture = {"x": labels, "y": labels, "label": labels}
    marks = json.loads(charts.customers_map(picture, {}))["data"]
    looks = {(m["marker"]["color"], m["marker"]["symbol"]) for m in marks}
    assert len(looks) == 25


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (1234567.891, 0, "1,234,568"),
        (0.5, 2, "0.50"),
        (None, 0, "–"),
        (-1200, 0, "-1,200"),
    ],
)
def test_long_numbers_are_grouped(value, digits, text):
    assert strata.number(value, digits) == text


def test_numbers_are_grouped_in_every_language():
    with translation.override("zh-hans"):
        assert strata.number(1_469_307) == "1,469,307"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0.4 s"), (95, "1 min 35 s"), (7_260, "2 h 1 min"), (None, "–")],
)
def test_durations_have_units(seconds, text):
    assert strata.duration(seconds) == text


def test_a_difference_shows_its_sign():
    assert strata.signed(-0.5) == "−0.50"
    assert strata.signed_share(0.123) == "+12.3\u00a0%"


def test_fits_of_one_training_are_lines_apart():
    points = [
        {"epoch": n, "loss": 1 / n, "step": step} for step in (1, 2) for n in (1, 2)
    ]
    loss = json.loads(charts.training_curve(points))["data"][0]
    assert loss["x"] == [1, 2, None, 1, 2]
    assert loss["y"] == [1, 0.5, None, 1, 0.5]
