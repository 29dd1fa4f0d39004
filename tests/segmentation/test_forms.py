"""What an operator mistypes is said at once, beside the field."""

from __future__ import annotations

import pytest

from segmentation.engine import recommenders
from segmentation.forms import MappingForm, TrainForm
from segmentation.models import Purpose
from segmentation.services.training import methods


def problems(form, field: str) -> str:
    return " ".join(form.errors.get(field, []))


def test_parameters_that_cannot_be_are_refused_before_a_training_is_queued():
    params = '{"n_factorz": 8}'
    form = TrainForm({"purpose": "taste", "algorithm": "als", "params": params})
    assert "it knows n_factors" in problems(form, "params")


def test_parameters_of_the_algorithm_and_of_the_split_are_taken():
    params = '{"n_factors": 8, "period_days": 14}'
    form = TrainForm({"purpose": "taste", "algorithm": "als", "params": params})
    assert form.is_valid()


def test_a_method_that_cannot_serve_the_purpose_is_refused_beside_its_field():
    form = TrainForm({"purpose": "taste", "algorithm": "popularity", "params": ""})
    assert "no customer vectors" in problems(form, "algorithm")


def test_how_a_run_is_judged_is_chosen_or_written():
    told = {"purpose": "again", "algorithm": "popularity", "split": "leave_last_out"}
    form = TrainForm(told | {"params": ""})
    assert form.is_valid()
    assert form.cleaned_data["params"] == {"split": "leave_last_out"}
    folds = TrainForm(told | {"split": "k_fold", "params": ""})
    assert "k_fold is for ratings" in problems(folds, "params")


@pytest.mark.parametrize("name", recommenders.names())
def test_the_words_about_a_method_agree_with_what_it_can(name):
    fits = [p for p in Purpose.values if not methods.unfit(name, p)]
    told = methods.METHODS[name]
    assert set(told.purposes) <= set(fits)
    assert {"taste", "similar"} & set(fits) == {"taste", "similar"} & set(told.purposes)
    assert str(told.label) != name and str(told.does).endswith(".")
    html = str(TrainForm()["algorithm"])
    assert f'value="{name}" data-fits="{" ".join(told.purposes)}"' in html


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("kind", "columns", "words"),
    [
        ("events", '{"custommer": "A"}', "no field custommer"),
        ("events", '{"attributes.x": "A"}', "no field attributes.x"),
        ("events", '{"customer": 3}', "needs the name of a column"),
        ("events", '["customer"]', "is an object such as"),
        ("events", '{"customer": "A",}', "valid JSON"),
    ],
)
def test_a_saved_mapping_names_fields_that_there_are(kind, columns, words):
    form = MappingForm({"name": "mine", "kind": kind, "columns": columns})
    assert words in problems(form, "columns")


@pytest.mark.django_db
def test_a_mapping_of_items_may_name_attributes():
    columns = '{"item": "SKU", "attributes.colour": "Colour"}'
    form = MappingForm({"name": "mine", "kind": "items", "columns": columns})
    assert form.is_valid(), form.errors
