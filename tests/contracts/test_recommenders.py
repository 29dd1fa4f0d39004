"""What every recommender promises, checked for each name in the registry."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from segmentation.engine import interactions, recommenders
from segmentation.engine.catalogue import Catalogue
from segmentation.engine.recommenders import artifact, base, spaces
from tests import checkerboard

# The world has rank 2 and few cells: small models, and time to learn.
SMALL = {
    "als": {"n_factors": 3, "regularization": 0.1},
    "ncf": {"n_factors": 4, "epochs": 40, "weight_decay": 0.1, "learning_rate": 0.02},
}
SMALL["rules"] = {
    "rules": [
        {"if": f"category={kind}", "then": f"category={kind}"}
        for kind in ("tea", "tools")
    ]
}
SMALL["blend"] = {"members": ("ease", "als"), "member_params": {"als": SMALL["als"]}}
NEURAL = ("ncf", "towers")  # they need TensorFlow
EVERY = [
    pytest.param(name, marks=[pytest.mark.slow] if name in NEURAL else [])
    for name in recommenders.names()
]
every = pytest.mark.parametrize("name", EVERY)

_fitted: dict[str, base.Recommender] = {}


def fit(name: str) -> base.Recommender:
    return recommenders.create(name, **SMALL.get(name, {})).fit(world(name))


def fitted(name: str) -> base.Recommender:
    """One model for all checks that only read it."""
    if name not in _fitted:
        _fitted[name] = fit(name)
    return _fitted[name]


def frame(name: str) -> pd.DataFrame:
    if recommenders.kind(name).predicts_ratings:
        return checkerboard.ratings()
    return checkerboard.frame()


def world(name: str, items: interactions.IdMap | None = None):
    data = interactions.Interactions.from_frame(frame(name), items=items)
    known = Catalogue.from_frame(checkerboard.catalogue(), data.items)
    return replace(data, catalogue=known)


def named(top: base.TopN) -> list[list[int]]:
    return [[item for item in row if item >= 0] for row in top.items.tolist()]


@every
def test_the_withheld_item_comes_first_where_a_model_can_know_it(name):
    model = fitted(name)
    if not model.recommends_new:
        assert named(model.recommend([0, 1], n=3)) == [[], []]
        return
    top = model.recommend(np.arange(checkerboard.N), n=3)
    withheld = np.array([int(user[1:]) for user in model.users_.ids])
    hit_share = (model.items_.ids[top.items[:, 0]] == withheld).mean()
    # All counts are equal: popularity cannot tell.
    assert hit_share == 1 if model.is_personal else hit_share < 0.1


@every
def test_lists_have_the_shape_and_types_of_the_contract(name):
    top = fitted(name).recommend([0, 1, 2], n=7, exclude_seen=False)
    assert top.items.shape == top.scores.shape == (3, 7)
    assert top.items.dtype == np.int32
    assert top.scores.dtype == np.float32


@every
def test_scores_fall_and_no_item_comes_twice(name):
    top = fitted(name).recommend(np.arange(checkerboard.N), n=20, exclude_seen=False)
    for items, scores in zip(named(top), top.scores, strict=True):
        assert len(items) == len(set(items)) == 20
        assert (np.diff(scores) <= 0).all()


@every
def test_an_unknown_user_gets_an_empty_list_beside_the_known(name):
    model = fitted(name)
    rows = model.users_.rows(["nobody", "u3"])
    top = model.recommend(rows, n=4, exclude_seen=False)
    assert named(top)[0] == []
    assert top.scores[0].tolist() == [0, 0, 0, 0]
    alone = model.recommend(rows[1:], n=4, exclude_seen=False)
    assert top.items[1].tolist() == alone.items[0].tolist()


@every
def test_what_was_seen_is_not_named_again(name):
    model = fitted(name)
    seen = model.user_items_
    for row, items in enumerate(named(model.recommend(np.arange(50), n=50))):
        assert not set(items) & set(seen[row].indices.tolist())


@every
def test_only_allowed_items_are_named_by_mask_or_by_rows(name):
    model = fitted(name)
    allowed = np.array([4, 7, 9, 11])
    mask = np.isin(np.arange(checkerboard.N), allowed)
    by_rows = model.recommend([0, 1], 4, exclude_seen=False, item_mask=allowed)
    by_mask = model.recommend([0, 1], 4, exclude_seen=False, item_mask=mask)
    assert named(by_rows) == named(by_mask)
    assert all(items and set(items) <= set(allowed) for items in named(by_rows))
    nothing = model.recommend([0], 4, exclude_seen=False, item_mask=[])
    assert named(nothing) == [[]]


@every
def test_the_allowed_items_keep_the_order_they_had_among_all(name):
    model = fitted(name)
    everything = named(model.recommend([8], 50, exclude_seen=False))[0]
    allowed = sorted(everything)[::2]
    some = named(model.recommend([8], 50, exclude_seen=False, item_mask=allowed))[0]
    assert some == [item for item in everything if item in set(allowed)]


@every
def test_asking_for_more_than_there_is_gives_a_shorter_list(name):
    top = fitted(name).recommend([0], n=80, exclude_seen=False)
    assert top.items.shape == (1, 80)
    items = named(top)[0]
    assert 0 < len(items) <= checkerboard.N
    assert top.items[0, len(items) :].tolist() == [-1] * (80 - len(items))
    assert np.isfinite(top.scores).all()


@every
def test_an_item_of_which_nothing_is_known_is_never_named(name):
    items = interactions.IdMap(np.arange(checkerboard.N + 1))
    model = recommenders.create(name, **SMALL.get(name, {})).fit(world(name, items))
    top = model.recommend(np.arange(50), n=60, exclude_seen=False)
    assert checkerboard.N not in top.items


@every
def test_the_same_seed_gives_the_same_lists(name):
    first = fitted(name).recommend(np.arange(50), 20, exclude_seen=False)
    second = fit(name).recommend(np.arange(50), 20, exclude_seen=False)
    assert np.array_equal(first.items, second.items)
    assert np.array_equal(first.scores, second.scores)


@every
def test_a_visitor_gets_a_list_from_the_history_alone_where_the_flag_says_so(name):
    model = fitted(name)
    odd = np.zeros((2, checkerboard.N), np.float32)
    odd[1, 1:24:2] = 5
    if model.predicts_ratings:
        odd[1, 0:24:2] = 1
    histories = sparse.csr_matrix(odd)
    if not model.folds_in:
        with pytest.raises(base.Unsupported, match=name):
            model.recommend_for(histories)
        return
    nobody, visitor = named(model.recommend_for(histories, n=8))
    assert nobody == []
    assert len(visitor) == 8
    assert not set(visitor) & set(histories[1].indices.tolist())
    assert not model.is_personal or {item % 2 for item in visitor} == {1}
    only = model.recommend_for(histories, 8, exclude_seen=False, item_mask=[3, 31])
    assert set(named(only)[1]) == {3, 31}


@every
def test_reasons_are_of_the_history_and_their_shares_are_shares(name):
    model = fitted(name)
    histories = model.user_items_[[8, 8, 8]]
    if not model.has_reasons:
        with pytest.raises(base.Unsupported, match=name):
            model.reasons(histories, [8, 8, 8])
        return
    found = model.reasons(histories, [8, -1, 10], m=30)
    assert found.items.dtype == np.int32
    assert found.shares.dtype == np.float32
    why = [item for item in found.items[0].tolist() if item >= 0]
    assert len(why) == len(set(why)) > 0
    assert set(why) <= set(histories[0].indices.tolist())
    assert (np.diff(found.shares, axis=1) <= 1e-6).all()
    assert found.shares[0].sum() == pytest.approx(1, abs=1e-4)
    assert found.items[1].tolist() == [-1] * 30
    few = model.reasons(histories[:1], [8], m=2)
    assert few.items.tolist() == found.items[:1, :2].tolist()


@every
def test_only_a_model_of_ratings_predicts_them(name):
    model = fitted(name)
    if not model.predicts_ratings:
        with pytest.raises(base.Unsupported, match="ratings"):
            model.predict([0], [0])
        return
    found = model.predict([0, 0, -1, -1], [0, -1, 0, -1])
    assert found.dtype == np.float32
    assert np.isfinite(found).all()


@every
def test_saving_and_loading_keeps_every_list(name, tmp_path):
    model = fitted(name)
    model.save(tmp_path / "model")
    loaded = recommenders.load(tmp_path / "model")
    assert type(loaded) is type(model)
    assert json.dumps(loaded.params) == json.dumps(model.params)
    assert loaded.users_.rows(["u3"]).tolist() == model.users_.rows(["u3"]).tolist()
    for exclude_seen in (True, False):
        before = model.recommend(np.arange(50), 20, exclude_seen=exclude_seen)
        after = loaded.recommend(np.arange(50), 20, exclude_seen=exclude_seen)
        assert np.array_equal(before.items, after.items)
        assert np.array_equal(before.scores, after.scores)


@every
def test_a_saved_model_is_plain_arrays_that_can_be_memory_mapped(name, tmp_path):
    fitted(name).save(tmp_path)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["algorithm"] == name
    files = {path.stem for path in tmp_path.glob("*.npy")}
    assert files == set(manifest["arrays"])
    for file_name, facts in manifest["arrays"].items():
        array = np.load(tmp_path / f"{file_name}.npy", mmap_mode="r")
        assert list(array.shape) == facts["shape"]
        assert array.dtype.str == facts["dtype"]


@every
def test_a_model_of_an_unknown_format_is_refused(name, tmp_path):
    fitted(name).save(tmp_path)
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 99}))
    with pytest.raises(artifact.UnknownFormat, match="format 99"):
        recommenders.load(tmp_path)


@every
def test_a_model_that_learned_nothing_yet_says_so(name, tmp_path):
    model = recommenders.create(name)
    with pytest.raises(base.NotFitted, match=name):
        model.recommend([0])
    with pytest.raises(base.NotFitted):
        model.save(tmp_path)


@pytest.mark.parametrize("name", recommenders.names())
def test_a_parameter_of_another_type_is_refused_at_once(name):
    for parameter, value in recommenders.create(name).params.items():
        wrong = {str: 5, int: "8", float: float("nan")}.get(type(value))
        if wrong is not None:
            with pytest.raises(base.BadParameter, match=f"{parameter} must be a"):
                recommenders.create(name, **{parameter: wrong})


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("als", {"n_factors": 0}),
        ("als", {"regularization": -1.0}),
        ("item_knn", {"n_neighbors": 0}),
        ("user_knn", {"n_neighbors": 0}),
        ("user_knn", {"power": -1.0}),
        ("item_knn", {"shrinkage": -1.0}),
        ("ease", {"regularization": 0.0}),
        ("slim", {"sparsity": -1.0}),
        ("rp3beta", {"beta": -0.1}),
        ("ncf", {"n_factors": 0}),
        ("mf", {"regularization": 0.0}),
        ("rating_knn", {"side": "shop"}),
        ("towers", {"dropout": 1.0}),
        ("rules", {"rules": ({"if": "brand=Leaf"},)}),
        ("rules", {"rules": ({"if": "a", "then": "b", "weight": 0},)}),
        ("blend", {"members": ("oracle",)}),
        ("blend", {"members": ("cold_start", "als")}),
        ("blend", {"weights": (1.0,)}),
        ("cold_start", {"members": ("popularity", "als")}),
        ("personal_frequency", {"half_life_days": 0}),
        ("popularity", {"count": "sales"}),
    ],
)
def test_a_parameter_out_of_range_is_refused_before_any_training(name, params):
    with pytest.raises(base.BadParameter, match=f"{next(iter(params))} must be"):
        recommenders.create(name, **params)


@every
def test_an_unknown_parameter_is_named(name):
    with pytest.raises(base.BadParameter, match="no parameter wings"):
        recommenders.create(name, wings=2)


@pytest.mark.parametrize("name", recommenders.names())
def test_too_little_data_is_refused_with_a_sentence(name):
    data = world(name)
    nothing = np.zeros(len(data), bool)
    with pytest.raises(interactions.EmptyData, match="no interactions"):
        recommenders.create(name).fit(part(data, nothing))
    with pytest.raises(interactions.TooSmall, match="one user"):
        recommenders.create(name).fit(part(data, data.user_row == 3))
    with pytest.raises(interactions.TooSmall, match="one item"):
        recommenders.create(name).fit(part(data, data.item_row == 3))


@every
def test_vectors_and_similar_items_are_there_where_the_flags_say_so(name):
    model = fitted(name)
    if model.has_vectors:
        assert model.user_vectors_.shape[0] == model.item_vectors_.shape[0] == 50
        assert model.user_vectors_.shape[1] == model.item_vectors_.shape[1]
    if not model.has_similar:
        with pytest.raises(base.Unsupported):
            model.similar_items([0])
        return
    top = model.similar_items([4, 7, -1], n=5)
    for item, found in zip([4, 7], named(top), strict=False):
        assert len(found) == 5
        assert item not in found
        assert {other % 2 for other in found} == {item % 2}
    assert named(top)[2] == []


@pytest.mark.parametrize("name", recommenders.names())
@pytest.mark.parametrize("purpose", ["again", "discover", "taste", "similar"])
def test_the_candidates_of_a_purpose_can_be_made(name, purpose):
    kind = recommenders.kind(name)
    for params in kind.candidates(purpose):
        assert recommenders.create(name, **params).params.items() >= params.items()
        if purpose == "taste":
            assert kind.has_vectors
        if purpose == "similar":
            assert kind.has_similar
        if purpose == "discover":
            assert kind.recommends_new


def part(
    data: interactions.Interactions, keep: np.ndarray
) -> interactions.Interactions:
    return replace(
        data,
        user_row=data.user_row[keep],
        item_row=data.item_row[keep],
        weight=data.weight[keep],
        rating=None if data.rating is None else data.rating[keep],
        timestamp=data.timestamp[keep],
    )


def test_an_unknown_name_is_refused_with_the_names_there_are():
    with pytest.raises(recommenders.UnknownRecommender, match="popularity"):
        recommenders.create("oracle")


def test_an_empty_folder_is_no_model(tmp_path):
    with pytest.raises(artifact.BadArtifact, match="no model"):
        recommenders.load(tmp_path)


def test_an_array_that_is_not_the_manifests_is_refused(tmp_path):
    fitted("popularity").save(tmp_path)
    np.save(tmp_path / "popularity_.npy", np.zeros(3))
    with pytest.raises(artifact.BadArtifact, match="popularity_"):
        recommenders.load(tmp_path)


def test_nan_is_refused_before_any_model_sees_it():
    frame = pd.DataFrame({"user_id": [1, 2], "item_id": [1, 2], "weight": [1, np.nan]})
    with pytest.raises(interactions.BadValues, match="weight"):
        interactions.Interactions.from_frame(frame)


@every
def test_a_search_tries_only_what_the_model_takes(name):
    kind = recommenders.kind(name)
    ranges = kind.space()
    usual = kind().params
    for at in (0, -1):
        drawn = {
            each: found.values[at]
            if isinstance(found, spaces.Choice)
            else (found.low, found.high)[at]
            for each, found in ranges.items()
        }
        recommenders.create(name, **drawn)  # refuses what it does not know
    for each, found in ranges.items():
        if isinstance(found, spaces.Choice):
            assert usual[each] in found.values
        elif usual[each] is not None:
            assert found.low <= usual[each] <= found.high
