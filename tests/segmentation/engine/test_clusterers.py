"""Textbook data: what each way of dividing is known to find in them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse.csgraph import connected_components
from sklearn import cluster
from sklearn.datasets import load_digits, load_iris, make_blobs, make_moons
from sklearn.metrics import adjusted_rand_score

from segmentation.engine import clustering
from segmentation.engine.clustering import (
    dbscan,
    hierarchical,
    linked,
    sampling,
    stability,
    threshold,
)

pytestmark = pytest.mark.slow  # each divides many times


@pytest.mark.parametrize("name", ["kmeans", "hierarchical"])
def test_iris_has_two_islands_or_an_elbow_at_three(name):
    data = load_iris()
    chosen = clustering.create(name).fit(data.data).scores
    assert chosen["silhouette_k"] == chosen["stability_k"] == 2
    assert chosen["elbow_k"] == 3
    assert chosen["structure"] == "islands"
    three = clustering.create(name, n_clusters=3).fit(data.data)
    assert adjusted_rand_score(data.target, three.labels) > 0.7
    assert three.scores["silhouette"] == pytest.approx(0.55, abs=0.02)


def test_moons_are_found_by_those_who_follow_a_shape_and_not_by_k_means():
    moons, truth = make_moons(400, noise=0.05, random_state=0)
    by_link = clustering.create("hierarchical", linkage="single", n_clusters=2)
    by_density = clustering.create("dbscan", eps=0.2, min_samples=5)
    by_center = clustering.create("kmeans", n_clusters=2)
    assert adjusted_rand_score(truth, by_link.fit(moons).labels) == 1
    assert adjusted_rand_score(truth, by_density.fit(moons).labels) == 1
    assert adjusted_rand_score(truth, by_center.fit(moons).labels) < 0.6


@pytest.mark.parametrize("linkage", ["ward", "average", "complete", "single"])
def test_a_tree_is_cut_as_scikit_learn_cuts_it(linkage):
    rows, _ = make_blobs(200, 5, centers=4, cluster_std=3, random_state=1)
    ours = clustering.create("hierarchical", linkage=linkage, n_clusters=6).fit(rows)
    theirs = cluster.AgglomerativeClustering(6, linkage=linkage).fit(rows)
    assert adjusted_rand_score(theirs.labels_, ours.labels) == 1


def test_digits_are_a_continuum_with_votes_near_ten():
    rows = load_digits().data[:600]
    scores = clustering.create("kmeans", k_max=14).fit(rows).scores
    assert scores["structure"] == "continuum"
    assert 8 <= scores["silhouette_k"] <= 14
    assert scores["silhouette"] > 2 * scores["silhouette_by_chance"][-1]


@pytest.mark.parametrize("name", ["kmeans", "hierarchical"])
@pytest.mark.parametrize("unit_length", [False, True])
def test_in_noise_there_are_no_clusters_and_it_says_so(name, unit_length):
    rows = np.random.default_rng(0).normal(size=(700, 12))
    scores = clustering.create(name, unit_length=unit_length, k_max=9).fit(rows).scores
    assert scores["structure"] == "none"
    assert scores["stability_k"] is None
    assert scores["elbow_k"] is None


def test_customers_whose_purchases_were_shuffled_have_no_clusters():
    """Each column keeps its values: what is bought together is chance."""
    rng = np.random.default_rng(3)
    taste = np.repeat(np.eye(4), 150, axis=0) @ rng.gamma(2, size=(4, 12)) * 3
    bought = np.log1p(rng.poisson(taste).astype(float))
    shuffled = rng.permuted(bought, axis=0)
    told = clustering.create("kmeans", k_max=8).fit(bought).scores
    assert told["structure"] == "islands"
    assert told["stability_k"] >= 3
    assert clustering.create("kmeans", k_max=8).fit(shuffled).scores["structure"] == (
        "none"
    )


def test_a_sampled_tree_agrees_with_the_full_one(monkeypatch):
    rows, _ = make_blobs(1500, 8, centers=6, cluster_std=1.5, random_state=2)
    full = clustering.create("hierarchical", n_clusters=6).fit(rows)
    monkeypatch.setattr(hierarchical, "MOST", 1200)
    part = clustering.create("hierarchical", n_clusters=6).fit(rows)
    assert full.scores["n_sample"] == 1500
    assert 1000 <= part.scores["n_sample"] <= 1200
    assert adjusted_rand_score(full.labels, part.labels) >= 0.9
    assert (part.assign(rows) == part.labels).mean() > 0.999


def test_a_stratified_sample_keeps_a_small_group():
    rng = np.random.default_rng(0)
    rows = np.r_[rng.normal(size=(4970, 3)), rng.normal(40, 0.1, size=(30, 3))]
    drawn = sampling.stratified(rows.astype(np.float32), 1500, seed=7)
    assert 1000 <= len(drawn) <= 1500
    assert (np.diff(drawn) > 0).all()
    assert (drawn >= 4970).sum() >= 15


def test_dbscan_agrees_with_scikit_learn_on_cores_and_noise():
    rows, _ = make_blobs(500, 3, centers=4, cluster_std=1.2, random_state=4)
    rows = rows.astype(np.float32)
    ours = clustering.create("dbscan", eps=0.9, min_samples=8).fit(rows)
    theirs = cluster.DBSCAN(eps=0.9, min_samples=8).fit(rows)
    core = theirs.core_sample_indices_
    assert adjusted_rand_score(theirs.labels_[core], ours.labels[core]) == 1
    assert ((theirs.labels_ < 0) == (ours.labels < 0)).all()
    assert ours.scores["n_noise"] == (theirs.labels_ < 0).sum() > 0


def test_eps_is_proposed_where_the_curve_bends():
    reach = np.r_[np.linspace(1, 1.2, 95), np.linspace(2, 9, 5)].astype(np.float32)
    assert dbscan.proposed(reach) == pytest.approx(1.2)
    rows, _ = make_blobs(300, 3, centers=3, cluster_std=0.5, random_state=4)
    found = clustering.create("dbscan").fit(rows).scores
    assert found["reach"] == sorted(found["reach"])
    assert found["reach"][0] <= found["eps"] <= found["reach"][-1]


def test_where_nobody_has_neighbours_a_sentence_says_what_to_do():
    rows = np.eye(30) * 100
    with pytest.raises(clustering.ClusteringRefused, match="larger eps"):
        clustering.create("dbscan", eps=1.0).fit(rows)
    with pytest.raises(clustering.ClusteringRefused, match="smaller tau"):
        clustering.create("threshold", tau=0.9).fit(rows)


@pytest.mark.parametrize("tau", [0.3, 0.8, 0.97])
def test_groups_of_a_threshold_are_the_connected_parts_of_its_graph(tau):
    rows = np.random.default_rng(1).normal(size=(300, 4)).astype(np.float32)
    clusters = clustering.create("threshold", tau=tau, min_size=1).fit(rows)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    count, expected = connected_components(unit @ unit.T >= tau, directed=False)
    assert adjusted_rand_score(expected, clusters.labels) == 1
    assert len(clusters.centers) == count
    large = clustering.create("threshold", tau=tau, min_size=3).fit(rows).labels
    small = np.isin(expected, np.flatnonzero(np.bincount(expected) < 3))
    assert ((large < 0) == small).all()


def test_parts_are_the_same_in_blocks_of_any_size(monkeypatch):
    rows = np.random.default_rng(2).normal(size=(200, 3)).astype(np.float32)
    whole = linked.parts(rows, 0.7)
    monkeypatch.setattr(linked, "CELLS", 200 * 7)
    count, labels = linked.parts(rows, 0.7)
    assert count == whole[0]
    assert adjusted_rand_score(whole[1], labels) == 1
    assert (linked.neighbour_counts(rows, 0.7) > 0).all()


def test_who_is_like_the_reference_is_told_from_the_rest():
    rng = np.random.default_rng(3)
    alike = [5, 1, 0] + rng.normal(0, 0.1, (40, 3))
    others = [0, 1, 5] + rng.normal(0, 0.1, (60, 3))
    rows = np.r_[alike, others]
    clusters = clustering.create("reference", reference=2, tau=0.8).fit(rows)
    assert clusters.scores["alike"] == 1
    assert clusters.labels.tolist() == [1] * 40 + [0] * 60
    most = clustering.create("reference", reference=50, tau=0.8).fit(rows)
    assert most.scores["alike"] == 0
    assert most.assign([[0, 0, 1.0], [1.0, 0, 0]]).tolist() == [0, 1]
    with pytest.raises(clustering.ClusteringRefused, match="row 100"):
        clustering.create("reference", reference=100).fit(rows)
    assert threshold.chord(1.0) == 0


def test_the_vote_of_stability_is_the_largest_as_good_as_the_best():
    assert stability.vote([2, 3, 4, 5], [0.99, 0.97, 1.0, 0.8]) == 4
    assert stability.vote([2, 3, 4, 5], [0.99, 1.0, 0.985, 0.8]) == 4
    assert stability.vote([2, 3], [0.7, 0.4]) is None


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("hierarchical", {"linkage": "centroid"}),
        ("hierarchical", {"n_clusters": 1}),
        ("dbscan", {"eps": 0.0}),
        ("dbscan", {"min_samples": 1}),
        ("threshold", {"tau": 1.2}),
        ("threshold", {"unit_length": False}),
        ("reference", {"reference": -1}),
    ],
)
def test_parameters_without_sense_are_refused(name, params):
    with pytest.raises(ValueError, match=r"\w+ \w+.*\.$"):
        clustering.create(name, **params)
