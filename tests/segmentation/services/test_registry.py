"""What is live: one run of a purpose, whole, and seen by every process soon."""

from __future__ import annotations

import json
import os
import threading
import time
import urllib.request

import numpy as np
import pandas as pd
import pytest
from django.core.files.storage import InMemoryStorage, storages
from django.db import connection
from django.urls import reverse

from segmentation import conf
from segmentation.engine import interactions, recommenders
from segmentation.models import AuditEntry, ModelRun
from segmentation.services import jobs, registry, unlearning
from tests import storefront
from tests.processes import until
from tests.segmentation.services import behaviour

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _afresh():
    storefront.start_afresh()


def finished(purpose: str = "discover", popular: tuple[int, ...] = (1, 2)) -> ModelRun:
    run = ModelRun.objects.create(algorithm="als", purpose=purpose, status="done")
    with registry.new_artifact(run) as (folder, name):
        write_lists(folder, popular)
    run.artifact = name
    run.save()
    return run


def write_lists(folder, popular=(1, 2)) -> None:
    (folder / "lists").mkdir()
    arrays = {
        "owner_ids": np.array([3, 5], np.int64),
        "item_ids": np.array([[1, 2], [2, 0]], np.int64),
        "scores": np.ones((2, 2), np.float32),
        "popular_ids": np.array(popular, np.int64),
    }
    for name, array in arrays.items():
        np.save(folder / "lists" / f"{name}.npy", array)


def test_a_promoted_run_replaces_the_former_and_can_be_replaced_by_it_again(admin_user):
    first, second = finished(), finished()
    assert registry.promote(first) is None
    assert registry.promote(second, actor=admin_user) == first
    assert stages() == {first.pk: "retired", second.pk: "live"}
    assert registry.promote(first) == second
    assert stages() == {first.pk: "live", second.pk: "retired"}
    entry = AuditEntry.objects.get(actor=admin_user)
    assert entry.changes == {"live run": [first.pk, second.pk]}


def stages() -> dict[int, str]:
    return dict(ModelRun.objects.values_list("pk", "stage"))


def test_purposes_do_not_replace_each_other():
    registry.promote(finished("again"))
    registry.promote(finished("discover"))
    assert set(stages().values()) == {"live"}


def test_a_run_without_an_artifact_cannot_live():
    run = ModelRun.objects.create(algorithm="als", purpose="again")
    with pytest.raises(jobs.Refused, match="no artifact"):
        registry.promote(run)


@pytest.mark.parametrize("status", ["running", "failed", "cancelled"])
def test_a_run_that_is_not_finished_cannot_live(status):
    run = finished()
    ModelRun.objects.update(status=status)  # it has an artifact, nobody knows more
    with pytest.raises(jobs.Refused, match="only a finished one"):
        registry.promote(run)


@pytest.mark.django_db(transaction=True)
def test_two_promotions_at_once_leave_one_live_run():
    registry.promote(finished())
    runs, together, wrong = [finished() for _ in range(4)], threading.Barrier(4), []

    def promote(run: ModelRun) -> None:
        try:
            together.wait()
            registry.promote(run)
        except Exception as error:
            wrong.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=promote, args=(run,)) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not wrong
    assert sorted(stages().values()) == ["live", *["retired"] * 4]


def test_rows_of_owners_are_found_and_strangers_have_none():
    registry.promote(finished())
    lists = registry.live_lists("discover")
    assert lists.rows(np.array([5, 4, 3, 99])).tolist() == [1, -1, 0, -1]
    assert registry.live_lists("again") is None


def test_lists_are_read_once_and_looked_after_seldom(django_assert_num_queries):
    registry.promote(finished())
    registry.live_lists("discover")
    with django_assert_num_queries(0):
        for _request in range(5):
            registry.live_lists("discover")


def test_a_writer_that_is_killed_leaves_nothing_that_can_be_seen():
    run = finished()
    known = run.artifact
    with pytest.raises(KeyboardInterrupt), registry.new_artifact(run) as (folder, name):
        write_lists(folder)
        raise KeyboardInterrupt
    assert not folder.exists()
    assert not registry.local_folder(name).exists()
    assert ModelRun.objects.get().artifact == known


def test_an_artifact_that_is_gone_gives_the_former_lists(caplog):
    registry.promote(finished(popular=(7,)))
    former = registry.live_lists("discover")
    broken = finished()
    broken.artifact = "gone"
    broken.save()
    ModelRun.objects.update(stage="retired")
    ModelRun.objects.filter(pk=broken.pk).update(stage="live")  # by another process
    registry._lists.expire()
    assert registry.live_lists("discover") is former
    assert "cannot be read" in caplog.text


@pytest.fixture
def far_storage(settings):
    """A storage that is no directory of this host."""
    settings.STORAGES = settings.STORAGES | {
        "artifacts": {"BACKEND": "django.core.files.storage.InMemoryStorage"}
    }
    yield storages["artifacts"]


def test_an_artifact_in_an_object_store_is_copied_to_this_disk_once(far_storage):
    assert isinstance(far_storage, InMemoryStorage)
    run = finished()
    assert far_storage.exists(f"{run.artifact}/lists/scores.npy")
    folder = registry.local_folder(run.artifact)
    assert conf.home() in folder.parents
    assert np.load(folder / "lists" / "popular_ids.npy").tolist() == [1, 2]
    far_storage.delete(f"{run.artifact}/{registry.INDEX}")
    assert registry.local_folder(run.artifact) == folder
    registry.promote(run)
    assert registry.live_lists("discover").run_id == run.pk


def test_a_copy_that_broke_off_is_not_taken_for_whole(far_storage):
    run = finished()
    far_storage.delete(f"{run.artifact}/lists/scores.npy")
    with pytest.raises(FileNotFoundError):
        registry.local_folder(run.artifact)
    copies = conf.home() / "artifact-copies"
    assert not (copies / run.artifact).exists()
    assert not list(copies.glob("copy-*"))


@pytest.mark.slow
def test_a_switch_is_seen_by_another_process_within_five_seconds(live_web):
    behaviour.world()
    first, second = (behaviour.train("popularity", "discover") for _run in range(2))
    registry.promote(first)
    shop = storefront.server(storefront.source("shop"))
    address = f"{live_web}{reverse('api-recommendations')}?customer_id=c-00&n=3"

    def served() -> int:
        request = urllib.request.Request(
            address, headers={"Authorization": f"Bearer {shop.text}"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)["model_run"]

    assert until(lambda: served() == first.pk, seconds=5)
    registry.promote(second)
    switched = time.monotonic()
    until(lambda: served() == second.pk, seconds=10)
    assert time.monotonic() - switched < 5


def test_old_copies_of_what_is_not_live_leave_this_disk(far_storage):
    old, live, fresh = (finished() for _ in range(3))
    registry.promote(live)
    copies = [registry.local_folder(run.artifact) for run in (old, live)]
    for copy in copies:
        os.utime(copy, (0, 0))
    copies.append(registry.local_folder(fresh.artifact))
    assert [copy.exists() for copy in copies] == [False, True, True]


def test_the_scratch_of_a_killed_training_goes_after_a_day():
    left = conf.home() / f"{registry.NEW}abc"
    left.mkdir()
    finished()
    assert left.exists()  # somebody may be writing it
    os.utime(left, (0, 0))
    finished()
    assert not left.exists()


def test_an_erased_customer_is_unknown_to_every_stored_run():
    run = finished()
    folder = registry.local_folder(run.artifact)
    frame = pd.DataFrame({"user_id": [3, 5, 5], "item_id": [1, 1, 2], "weight": 1.0})
    data = interactions.Interactions.from_frame(frame)
    recommenders.create("als", n_factors=2).fit(data).save(folder / "model")
    registry.promote(run)
    before = registry.live_lists("discover")
    assert unlearning.forget([5, 7]) == unlearning.Unlearned(n_runs=1)
    assert before.rows(np.array([3, 5])).tolist() == [0, -1]  # as a web process has it
    assert before.item_ids[1].tolist() == [0, 0]
    model = registry.load_model(run)
    assert model.users_.rows([3, 5]).tolist() == [0, -1]
    assert not model.user_vectors_[1].any()
    assert model.user_vectors_[0].any()
    assert model.user_items_[1].sum() == 0
    assert unlearning.forget([5]).n_runs == 0
    assert unlearning.forget([3]).n_runs == 1
    assert before.rows(np.array([3, 5])).tolist() == [-1, -1]


def test_what_an_object_store_keeps_of_the_erased_is_said(far_storage):
    run = finished()
    [sentence] = unlearning.forget([5]).remains
    assert sentence.startswith(f"Run {run.pk} lies in an object store")
