"""What an operator mistypes is said at once, beside the field."""

from __future__ import annotations

import pytest

from segmentation.forms import MappingForm, TrainForm


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
