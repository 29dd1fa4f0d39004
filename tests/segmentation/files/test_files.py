"""Each file ends in the right counts or a readable refusal; each row is accounted for.

What a person does is done here as the pages do it: look at the file, take the proposed
mapping, answer what is asked, choose what is not proposed, bring it in.
"""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from segmentation import tasks
from segmentation.engine import mapping
from segmentation.models import Customer, Event, ImportJob, Item
from segmentation.services import importing, jobs
from segmentation.services.importing import looking, reading
from tests.segmentation.files import (
    catalogues,
    contests,
    eastern,
    large,
    logs,
    markets,
    no_tables,
    people,
    research,
    shops,
    taste,
)
from tests.segmentation.files.cases import Case

FAMILIES = (
    *(shops, markets, eastern, catalogues, people, logs, research, contests, taste),
    *(no_tables, large),
)
ALL = [case for family in FAMILIES for case in family.CASES]
SMALL = [case for case in ALL if not case.read]
LARGE = [case for case in ALL if case.read]
ROWS = {"events": Event, "items": Item, "customers": Customer}
_NUMBER = itertools.count()


def name_of(case: Case) -> str:
    return case.name.replace(" ", "-")


def written(case: Case, folder: Path) -> Path:
    path = folder / f"file-{next(_NUMBER)}"
    if (data := case.write(path)) is not None:
        path.write_bytes(data)
    return path


def proposed(case: Case, path: Path) -> tuple[dict, dict]:
    """The mapping of the page, with what a person chose; and its rules."""
    seen = looking.look(path, case.layout)
    if seen.detected.doubts:
        raise reading.Unreadable(seen.detected.ask())
    found = mapping.recognised(case.kind, seen.headers, seen.sample)
    assert found == case.mapping
    shape = {"shape": mapping.BUILTIN[found].shape} if found else {}
    guesses = mapping.guess_columns(case.kind, seen.headers, seen.sample)
    asked = {target for target, guess in guesses.items() if guess.doubts}
    assert asked <= set(case.by_hand), "what is asked must be answered"
    columns = {target: guess.spec for target, guess in guesses.items()} | case.by_hand
    return {t: spec for t, spec in columns.items() if spec}, shape


def brought_in(case: Case, path: Path) -> ImportJob:
    columns, rules = proposed(case, path)
    job = importing.create_job(
        case.kind, path, columns=columns, layout=case.layout, rules=rules | case.rules
    )
    tasks.perform(job, importing.run_import)
    job.refresh_from_db()
    return job


def counts(job: ImportJob) -> tuple[int, ...]:
    names = ("new", "updated", "unchanged", "duplicate", "rejected", "ignored")
    return tuple(getattr(job, f"rows_{name}") for name in names)


@pytest.fixture(autouse=True)
def money(request, settings):
    case = (
        request.node.callspec.params.get("case")
        if hasattr(request.node, "callspec")
        else None
    )
    if case is not None:
        settings.STRATA_CURRENCY = case.currency
        for name, limit in case.limits.items():
            setattr(settings, f"STRATA_IMPORT_{name}", limit)


def ends_as_it_must(case: Case, folder: Path) -> None:
    path = written(case, folder)
    if case.says:
        with pytest.raises((reading.Unreadable, jobs.Refused)) as caught:
            brought_in(case, path)
        assert case.says in str(caught.value)
        assert "\n" not in str(caught.value)
        return
    job = brought_in(case, path)
    assert counts(job) == case.counts, job.findings["rejects"][:5]
    assert job.rows_read == sum(counts(job))
    assert job.rows_read == case.read or not case.read
    reasons = [reject[3] for reject in job.findings["rejects"]]
    assert not case.stored or ROWS[case.kind].objects.filter(**case.stored).exists()
    for expected in case.reasons:
        assert any(expected in reason for reason in reasons), reasons


@pytest.mark.django_db
@pytest.mark.parametrize("case", SMALL, ids=name_of)
def test_a_file_ends_as_it_must(case, tmp_path):
    ends_as_it_must(case, tmp_path)


@pytest.mark.slow
@pytest.mark.django_db
@pytest.mark.parametrize("case", LARGE, ids=name_of)
def test_a_large_file_ends_as_it_must(case, tmp_path):
    assert case.read > 100_000
    ends_as_it_must(case, tmp_path)


def test_at_least_sixty_kinds_of_files_name_the_page_they_are_written_from():
    named = {case.name for case in ALL if case.page}
    assert len(named) >= 60
    assert len({case.name for case in ALL}) == len(ALL)
    assert len(LARGE) >= 10
    assert all(case.page.startswith("http") for case in ALL if case.page)


def test_every_built_in_mapping_is_tried_and_told_to_the_operator():
    assert {case.mapping for case in ALL if case.mapping} == set(mapping.BUILTIN)
    guide = (Path(__file__).parents[3] / "docs/operator.md").read_text("utf-8")
    for known in mapping.BUILTIN.values():
        assert known.label.partition(",")[0] in guide
