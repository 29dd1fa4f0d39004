"""What a run is told about its data is used: kinds, amounts, age, ratings, words."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta

import numpy as np
import pytest

from segmentation import frames, queries
from segmentation.engine import recommenders
from segmentation.models import (
    Category,
    Customer,
    Item,
    Kind,
    ModelRun,
    Purpose,
    Segment,
    SegmentSet,
)
from segmentation.services import jobs, registry, segmenting, training
from segmentation.services.training import loading
from tests.segmentation.services import behaviour
from tests.segmentation.services.behaviour import START, purchase, train, world

# Each fits several models.
pytestmark = [pytest.mark.django_db, pytest.mark.slow]

TEAS = ("乌龙茶", "龙井茶", "普洱茶", "茉莉花茶")
PANS = ("不锈钢炒锅", "铸铁炒锅", "平底炒锅", "电炒锅")


def listed(run: ModelRun, customer: str) -> list[str]:
    """A customer's list of a run, as the shop's ids."""
    folder = registry.local_folder(run.artifact) / "lists"
    owners = np.load(folder / "owner_ids.npy")
    row = int(np.searchsorted(owners, behaviour.customer_id(customer)))
    ids = np.load(folder / "item_ids.npy")[row]
    names = dict(Item.objects.values_list("pk", "external_id"))
    return [names[pk] for pk in ids.tolist() if pk]


def event(who: str, item: str, week: float, kind: str = "purchase", **more) -> dict:
    at = (START + timedelta(weeks=week)).isoformat()
    return {"customer": who, "item": item, "kind": kind, "occurred_at": at} | more


def loaded(algorithm: str = "popularity", **params) -> loading.Data:
    told = behaviour.SMALL | params
    run = training.create_run(algorithm, "discover", params=told)
    return loading.load(run)


def rated_world(n_customers: int = 24, n_items: int = 16) -> None:
    """Even customers like even items and dislike odd ones, and the other way round."""
    source = behaviour.Source.objects.get_or_create(name="shop")[0]
    rows = []
    for who in range(n_customers):
        for at in range(n_items - 3):
            item = (at + who) % n_items
            stars = 5 - 3 * ((item + who) % 2) - (item % 3 == 0)
            rows.append(
                event(
                    f"c-{who:02}", f"i-{item:02}", at + who / 50, "rating", value=stars
                )
            )
    behaviour.record(source, rows)


def test_kind_weights_change_what_a_list_says():
    source = world()
    looks = [
        event("c-00", "i-31", week, "view", event_id=f"v{week}-{n}")
        for week in range(20)
        for n in range(3)
    ]
    behaviour.record(source, looks)
    usual = train("personal_frequency", "again", kind_weights={"view": 0.0})
    told = train("personal_frequency", "again", kind_weights={"view": 5.0})
    assert "i-31" not in listed(usual, "c-00")
    assert listed(told, "c-00")[0] == "i-31"
    assert told.chosen_params["data"]["kind_weights"] == {"view": 5.0, "purchase": 1.0}


@pytest.mark.parametrize("amount", ["quantity", "amount"])
def test_how_much_was_bought_counts_where_a_run_is_told_so(amount):
    source = world()
    much = [
        event("c-00", "i-31", week, order=f"m{week}", quantity=60, amount=900.0)
        for week in range(18, 24)
    ]
    behaviour.record(source, much)
    told = {"half_life_days": None}
    plain = train("personal_frequency", "again", amount="none", **told)
    weighed = train("personal_frequency", "again", amount=amount, **told)
    assert listed(plain, "c-00")[0] != "i-31"
    assert listed(weighed, "c-00")[0] == "i-31"


def test_an_unknown_amount_says_as_much_as_a_usual_one():
    source = behaviour.Source.objects.get_or_create(name="shop")[0]
    world()
    behaviour.record(source, [event("c-00", "i-00", 3, order="x", event_id="x")])
    data = loaded(amount="amount")
    line = data.all_lines.log
    unknown = np.isnan(data.all_lines.amount)
    assert unknown.sum() == 1
    assert data.everything.weight[unknown] == pytest.approx(1.0)
    assert len(line) == len(data.everything)


def test_a_half_life_of_the_data_makes_the_old_count_less():
    world()
    data = loaded("item_knn", half_life_days=7)
    age = data.everything.timestamp.max() - data.everything.timestamp
    assert data.everything.weight == pytest.approx(0.5 ** (age / 7), rel=1e-4)
    own = loaded("popularity", half_life_days=7)
    assert set(own.everything.weight.tolist()) == {1.0}, "the model forgets by itself"


def test_other_weights_need_no_other_look_at_the_database(
    django_assert_num_queries,
):
    world()
    data = loaded()
    with django_assert_num_queries(0):
        other = data.weighted({"purchase": 2.0}, 30.0, "quantity")
        assert other.fit.weight.max() <= 2.0
        assert other.fit.weight.min() < 1.0
    assert other.validation_truth is data.validation_truth
    assert data.fit.weight.max() == 1.0


def test_weights_are_chosen_on_validation_where_nothing_is_told():
    """Views are noise here: everybody looks at what the other half buys."""
    source = world()
    noise = [
        event(
            f"c-{who:02}",
            f"i-{2 * ((who * 7 + week * 5 + n) % 16) + 1 - who % 2:02}",
            week,
            "view",
            event_id=f"{who}-{week}-{n}",
        )
        for who in range(24)
        for week in range(24)
        for n in range(6)
    ]
    behaviour.record(source, noise)
    run = train("item_knn", "again")
    tried = run.metrics["validation"]["tried_data"]
    assert {"kind_weights", "half_life_days", "amount"} == set(tried[0]["data"])
    assert len(tried) == 1 + 2 + 1  # usual; purchases only, all alike; one half-life
    best = max(tried, key=lambda each: each["ndcg"])
    chosen = run.chosen_params["data"]
    found = run.metrics["validation"]["again"]["ndcg"]["mean"]
    assert chosen in [each["data"] for each in tried]
    assert found == next(e["ndcg"] for e in tried if e["data"] == chosen)
    assert best["ndcg"] >= found >= tried[0]["ndcg"]
    asked = train("item_knn", "again", n_neighbors=50)
    assert "tried_data" not in asked.metrics["validation"]


def test_ratings_are_learned_predicted_and_judged():
    rated_world()
    run = train("mf", "discover", n_factors=2, split="k_fold", folds=4)
    told = run.metrics["ratings"]
    assert (told["split"], told["folds"]) == ("k_fold", 4)
    assert told["n_ratings"] == 24 * 13
    assert 0 < told["mae"]["mean"] <= told["rmse"]["mean"] < 1.0
    assert told["rmse"]["low"] < told["rmse"]["mean"] < told["rmse"]["high"]
    assert run.metrics["discover"]["n_users"] > 10
    assert run.protocol["signal"] == "ratings"


def test_ratings_are_judged_by_the_last_period_too():
    rated_world()
    run = train("rating_knn", "discover", shrinkage=1.0)
    assert run.metrics["ratings"]["split"] == "temporal"
    assert run.protocol["valid_from"] < run.protocol["test_from"]
    assert run.metrics["ratings"]["rmse"]["mean"] < 2.0


def test_a_rating_that_was_changed_counts_as_it_is_now():
    rated_world()
    source = behaviour.Source.objects.get(name="shop")
    behaviour.record(source, [event("c-00", "i-00", 14, "rating", value=1)])
    data = loaded("mf", n_factors=2, split="leave_last_out")
    pair = behaviour.customer_id("c-00"), behaviour.item_id("i-00")
    log = data.everything
    own = (log.users.ids[log.user_row] == pair[0]) & (
        log.items.ids[log.item_row] == pair[1]
    )
    assert log.rating[own].tolist() == [1.0]


def test_where_nobody_rated_a_method_of_ratings_says_so():
    world()
    with pytest.raises(jobs.Refused, match="no ratings to learn from"):
        train("mf", "discover")
    with pytest.raises(jobs.Refused, match="mf learns from ratings"):
        training.create_run("mf", "discover", params={"signal": "behaviour"})


def test_where_there_are_only_ratings_every_one_is_a_positive():
    rated_world()
    run = train("item_knn", "discover", n_neighbors=5)
    assert run.protocol["signal"] == "ratings"
    assert run.snapshot["lines"] == 24 * 13
    assert "ratings" not in run.metrics


def test_the_last_out_is_judged_where_a_run_is_told_so():
    world()
    run = train("popularity", "again", split="leave_last_out", count="users")
    assert run.protocol["split"] == "leave_last_out"
    assert "test_from" not in run.protocol
    data = loaded(split="leave_last_out")
    per_user = np.diff(data.test_truth.indptr)
    assert per_user.tolist() == [1] * 24
    assert len(data.train) == len(data.everything) - 24
    assert len(data.fit) == len(data.train) - 24


def chinese_world() -> None:
    """Half of the customers buy teas, half pans; one tea and one pan nobody bought."""
    world()
    drinks, kitchen = (Category.objects.create(name=n) for n in ("茶叶", "厨具"))
    for number, item in enumerate(Item.objects.order_by("external_id")):
        is_tea = number % 2 == 0
        words = (TEAS if is_tea else PANS)[number // 2 % 4]
        item.title = f"{words}第{number}号"
        item.category = drinks if is_tea else kitchen
        item.brand = f"牌子{number % 3}"
        item.price = 20.0 + number if is_tea else 300.0 + number
        item.attributes = {"产地": "福建" if is_tea else "浙江", "weight": number}
        item.save()
    for name, title, category in (
        ("new-tea", "武夷山乌龙茶礼盒", drinks),
        ("new-pan", "麦饭石平底炒锅", kitchen),
        ("gone-tea", "特级龙井茶", drinks),
    ):
        Item.objects.create(
            external_id=name,
            title=title,
            category=category,
            available=name != "gone-tea",
            attributes={},
        )


def test_content_reads_a_chinese_catalogue_and_names_what_nobody_had():
    chinese_world()
    run = train("content", "discover")
    tea, pan = listed(run, "c-00"), listed(run, "c-01")
    assert "new-tea" in tea[:14] and "new-pan" in pan[:14]
    assert tea.index("new-tea") < (tea + ["new-pan"]).index("new-pan")
    assert "gone-tea" not in tea
    similar = train("content", "similar")
    folder = registry.local_folder(similar.artifact) / "lists"
    owners = np.load(folder / "owner_ids.npy")
    row = int(np.searchsorted(owners, behaviour.item_id("new-tea")))
    alike = np.load(folder / "item_ids.npy")[row][:5]
    named = Item.objects.filter(pk__in=alike.tolist()).values_list("category__name")
    assert set(named) == {("茶叶",)}


def test_rules_take_their_own_parameters_and_the_catalogue():
    chinese_world()
    rules = [{"if": "category=茶叶", "then": "category=厨具"}]
    run = train("rules", "discover", rules=rules)
    pans = Item.objects.filter(category__name="厨具").values_list("external_id")
    assert set(listed(run, "c-00")) <= {name for (name,) in pans}
    assert listed(run, "c-00")
    with pytest.raises(jobs.Refused, match="label category=酒 of a rule"):
        train("rules", "discover", rules=[{"if": "category=酒", "then": "brand=牌子1"}])


def test_content_is_judged_by_the_same_targets_as_others():
    chinese_world()
    wide, narrow = loaded("content"), loaded("item_knn")
    assert len(wide.train.items) == len(narrow.train.items) + 2
    assert wide.test_truth.nnz == narrow.test_truth.nnz
    assert np.array_equal(wide.train.users.ids, narrow.train.users.ids)
    assert narrow.train.catalogue is None


def test_customers_and_items_have_groups_to_be_judged_by():
    chinese_world()
    for pk in Customer.objects.values_list("pk", flat=True):
        tier = {"tier": "gold" if pk % 2 else "plain", "number": pk}
        Customer.objects.filter(pk=pk).update(attributes=tier)
    ids = np.sort([behaviour.customer_id(f"c-{who:02}") for who in range(6)])
    segmenting.create_list("Friends", ids)
    data = loaded()
    n_users, n_items = len(data.train.users), len(data.train.items)
    labels = data.user_labels
    assert {len(each) for each in labels.values()} == {n_users}
    assert set(labels) == {"activity", "tenure", "segment: Friends", "attribute: tier"}
    assert (labels["segment: Friends"] == "Friends").sum() == 6
    users = data.train.users.ids
    gold = labels["attribute: tier"] == "gold"
    assert np.array_equal(gold, users % 2 == 1)
    assert set(labels["tenure"]) == {"known"}
    assert data.item_labels.keys() == {"category", "brand"}
    assert len(data.item_labels["brand"]) == n_items
    assert set(data.item_labels["category"]) == {"茶叶", "厨具"}


# Everything in the registry trains through the service ------------------------------

OWN = {
    "rules": {"rules": [{"if": "category=茶叶", "then": "category=厨具"}]},
    "als": {"n_factors": 4, "iterations": 3},
    "ncf": {"n_factors": 4, "epochs": 1, "layers": [8, 4]},
    "towers": {"n_factors": 2, "epochs": 3},
    "mf": {"n_factors": 2},
    "slim": {"regularization": 5.0},
}
BY_TENSORFLOW = ("ncf", "towers")
HABIT = ("personal_frequency",)
ALL = [
    pytest.param(name, marks=pytest.mark.filterwarnings("ignore"))
    for name in recommenders.names()
]


def purpose_of(algorithm: str) -> str:
    return Purpose.AGAIN if algorithm in HABIT else Purpose.DISCOVER


@pytest.mark.parametrize("algorithm", ALL)
def test_every_method_trains_and_the_same_again_is_the_same(algorithm):
    chinese_world()
    rated_world()
    told = OWN.get(algorithm, {})
    runs = [train(algorithm, purpose_of(algorithm), **told) for _time in range(2)]
    assert [run.status for run in runs] == ["done", "done"]
    assert runs[0].estimate["memory_mb"] > 0 and runs[0].estimate["seconds"] > 0
    if algorithm in BY_TENSORFLOW:
        assert_near(*runs)
    else:
        first, second = (fingerprint(run) for run in runs)
        assert first == second
        assert runs[0].metrics == runs[1].metrics


def assert_near(first: ModelRun, second: ModelRun) -> None:
    """A program on several threads may sum in another order: equal to 1e-4."""
    one, other = (registry.local_folder(run.artifact) for run in (first, second))
    paths = [path.relative_to(one) for path in sorted((one / "model").glob("*.npy"))]
    assert len(paths) > 3
    for path in paths:
        np.testing.assert_allclose(
            np.load(one / path), np.load(other / path), atol=1e-4, err_msg=str(path)
        )


def fingerprint(run: ModelRun) -> dict[str, str]:
    """A hash of every array of an artifact."""
    folder = registry.local_folder(run.artifact)
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*.npy"))
    }


def one_customer() -> list[dict]:
    return [purchase("c", f"i-{k % 6}", week) for k in range(12) for week in range(9)]


def one_item() -> list[dict]:
    return [purchase(f"c-{w}", "i", week) for w in range(12) for week in range(9)]


def one_day() -> list[dict]:
    return [
        event(f"c-{w}", f"i-{k}", 0, order=f"{w}") for w in range(9) for k in range(5)
    ]


def all_the_same() -> list[dict]:
    return [
        event(f"c-{w}", f"i-{k}", week, order=f"{w}-{week}", amount=1.0)
        for w in range(9)
        for k in range(4)
        for week in range(12)
    ]


@pytest.mark.parametrize("algorithm", ALL)
@pytest.mark.parametrize("data", [None, one_customer, one_item, one_day, all_the_same])
def test_data_that_cannot_be_learned_from_are_refused_in_a_sentence(algorithm, data):
    if data is not None:
        source = behaviour.Source.objects.get_or_create(name="shop")[0]
        rows = data()
        as_ratings = [row | {"kind": "rating", "value": 3} for row in rows]
        behaviour.record(source, rows)
        behaviour.record(source, as_ratings)
        drinks = Category.objects.create(name="茶叶")
        Item.objects.update(category=drinks, title="茶")
    told = dict(OWN.get(algorithm, {}))
    if algorithm == "rules":
        told = {"rules": [{"if": "category=茶叶", "then": "category=茶叶"}]}
    try:
        run = train(algorithm, purpose_of(algorithm), **told)
    except jobs.Refused as refusal:
        sentence = str(refusal)
        assert sentence.endswith(".") and " " in sentence
        assert "Traceback" not in sentence and "array" not in sentence
        assert ModelRun.objects.get().status == "failed"
    else:  # a habit can be learned from one item
        assert data is all_the_same or algorithm in (*HABIT, "popularity", "rules")
        assert run.status == "done"


# Guards -----------------------------------------------------------------------------


def sized(users: int, items: int, cells: int) -> training.guarding.Shape:
    pairs = 3.0 * cells**2
    return training.guarding.Shape(
        users, items, cells, 2 * cells, pairs / users, pairs / items
    )


def test_a_run_above_the_budget_is_refused_before_it_learns(settings, monkeypatch):
    world()
    settings.STRATA_TRAIN_MEMORY_MB = 1

    def never(*_args, **_options):
        raise AssertionError("it learned")

    monkeypatch.setattr(recommenders.kind("popularity"), "fit", never)
    with pytest.raises(jobs.Refused, match=r"need about \d+ MB .*and 1 MB may be used"):
        train("popularity", "discover")
    run = ModelRun.objects.get()
    assert run.estimate["budget_memory_mb"] == 1 < run.estimate["memory_mb"]
    assert (run.status, run.artifact) == ("failed", "")


def test_a_run_that_takes_too_long_is_refused():
    shape = sized(2_000_000, 400_000, 300_000_000)
    told = training.guarding.estimate("als", [{"n_factors": 256}] * 4, shape)
    told |= {"budget_memory_mb": 10**9}
    with pytest.raises(jobs.Refused, match="minutes for 2000000 customers"):
        training.guarding.refuse_above(told)


def test_ease_above_its_cap_is_estimated_by_what_it_keeps():
    shape = sized(10_000, 1_000_000, 5_000_000)
    small, large = (
        training.guarding.estimate("ease", [{"memory_mib": mib}], shape)["memory_mb"]
        for mib in (256, 4096)
    )
    assert small < large < 4096 * 2 + 4000


@pytest.mark.parametrize("algorithm", recommenders.names())
def test_every_method_has_an_estimate_that_grows_with_the_data(algorithm):
    sizes = [sized(n, n // 2, 20 * n) for n in (1000, 1_000_000)]
    told = OWN.get(algorithm, {})
    small, large = (
        training.guarding.estimate(algorithm, [told], size) for size in sizes
    )
    assert large["memory_mb"] > 2 * small["memory_mb"] > 0
    assert large["seconds"] > small["seconds"] > 0


# Artifacts of other versions ----------------------------------------------------------


def test_an_artifact_of_another_version_is_refused_in_a_sentence():
    world()
    run = behaviour.live("als", "taste", n_factors=3, iterations=2)
    path = registry.local_folder(run.artifact) / "model" / "manifest.json"
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps(manifest | {"format": 0}))
    with pytest.raises(
        recommenders.artifact.UnknownFormat, match="Train the model again"
    ):
        registry.load_model(run)
    made = segmenting.create_set("kmeans", params={"n_clusters": 2})
    says = "format 0, this version reads format"
    with pytest.raises(jobs.Refused, match=says), jobs.hold(made) as held:
        segmenting.build(made, held)
    assert SegmentSet.objects.get().status == "failed"
    assert not Segment.objects.exists()


def test_who_is_left_out_is_in_no_part_of_a_run():
    world()
    silent = behaviour.customer_id("c-00")
    Customer.objects.filter(pk=silent).update(personalised=False)
    data = loaded()
    for part in (data.fit, data.train, data.everything):
        assert silent not in part.users.ids
    assert queries.left_out().tolist() == [silent]
    assert silent not in frames.interactions()["user_id"].to_pylist()
    assert Kind.PURCHASE in set(data.all_lines.kind.tolist())
