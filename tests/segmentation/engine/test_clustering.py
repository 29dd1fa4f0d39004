"""K-means and the choice of k: known answers, and honesty where there is none."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from sklearn.datasets import load_iris, make_blobs
from sklearn.metrics import silhouette_score

from segmentation.engine import clustering
from segmentation.engine.clustering import choosing, kmeans, silhouette


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(KeyError, match="kmeans"):
        clustering.create("kmedians")


def test_the_registry_alone_does_not_load_scikit_learn():
    code = (
        "import sys, segmentation.engine.clustering as c;"
        "assert c.names() and 'sklearn' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("k", [3, 5, 8])
def test_both_votes_find_the_number_of_far_apart_groups(k):
    vectors, _ = make_blobs(1500, 16, centers=k, cluster_std=1, random_state=k)
    clusters = clustering.create("kmeans").fit(vectors)
    assert clusters.scores["silhouette_k"] == k
    assert clusters.scores["elbow_k"] == k
    assert clusters.scores["rule"] == "silhouette"
    assert len(clusters.centers) == k


def test_on_iris_the_votes_differ_and_both_are_kept():
    scores = clustering.create("kmeans").fit(load_iris().data).scores
    assert (scores["silhouette_k"], scores["elbow_k"]) == (2, 3)
    assert scores["rule"] == "silhouette"


@pytest.mark.parametrize("n_factors", [8, 64])
def test_a_cloud_without_groups_has_no_clear_elbow(n_factors):
    vectors = np.random.default_rng(4).normal(size=(1500, n_factors))
    scores = clustering.create("kmeans").fit(vectors).scores
    assert scores["elbow_k"] is None
    assert scores["rule"] == "bend"


def test_overlapping_groups_are_counted_by_the_elbow():
    vectors, _ = make_blobs(3000, 64, centers=6, cluster_std=11, random_state=6)
    clusters = clustering.create("kmeans").fit(vectors)
    assert clusters.scores["silhouette"] < choosing.ISLANDS
    assert clusters.scores["rule"] == "elbow"
    assert len(clusters.centers) == 6


def test_the_curve_has_every_k_and_falls():
    vectors = np.random.default_rng(4).normal(size=(600, 4))
    curve = clustering.create("kmeans", k_min=3, k_max=9).fit(vectors).k_curve
    assert [row["k"] for row in curve] == list(range(3, 10))
    assert curve[0]["inertia"] > curve[-1]["inertia"] > 0


def test_a_given_number_is_taken_and_no_vote_is_claimed():
    vectors = np.random.default_rng(4).normal(size=(600, 4))
    clusters = clustering.create("kmeans", n_clusters=7).fit(vectors)
    assert len(clusters.centers) == len(np.unique(clusters.labels)) == 7
    assert clusters.scores["rule"] == "given"
    assert clusters.scores["elbow_k"] is None


@pytest.mark.parametrize(
    "params", [{"n_clusters": 1}, {"n_clusters": "many"}, {"k_min": 9, "k_max": 3}]
)
def test_parameters_without_sense_are_refused(params):
    with pytest.raises(ValueError, match="at least"):
        clustering.create("kmeans", **params)


def test_more_segments_than_different_customers_are_refused():
    vectors = np.repeat(np.eye(3), 40, axis=0)
    with pytest.raises(clustering.ClusteringRefused, match="only 3 different"):
        clustering.create("kmeans", n_clusters=5).fit(vectors)
    chosen = clustering.create("kmeans").fit(vectors)
    assert len(chosen.centers) == 3
    assert chosen.scores["silhouette"] == pytest.approx(1)


def test_directions_alone_decide_with_unit_length():
    rng = np.random.default_rng(2)
    taste = np.repeat([[1.0, 0.1, 0], [0, 1.0, 0.1], [0.1, 0, 1.0]], 100, axis=0)
    amount = rng.lognormal(0, 1.5, (300, 1))
    vectors = (taste + rng.normal(0, 0.02, (300, 3))) * amount
    clusters = clustering.create("kmeans", unit_length=True).fit(vectors)
    assert len(clusters.centers) == 3
    assert (np.bincount(clusters.labels) == 100).all()
    assert (clusters.assign(vectors * 50) == clusters.labels).all()
    assert clusters.assign(np.zeros((1, 3))).shape == (1,)


def test_large_data_is_judged_on_a_sample_and_fitted_on_all(monkeypatch):
    monkeypatch.setattr(kmeans, "SAMPLE", 500)
    vectors, _ = make_blobs(4000, 8, centers=5, cluster_std=1, random_state=1)
    clusters = clustering.create("kmeans").fit(vectors)
    assert clusters.scores["n_sample"] == 500
    assert len(clusters.labels) == 4000
    exact = ((vectors - clusters.centers[clusters.labels]) ** 2).sum()
    assert clusters.scores["inertia"] == pytest.approx(exact, rel=1e-3)
    assert clusters.k_curve[3]["inertia"] == pytest.approx(exact, rel=0.1)


def test_far_from_the_origin_nothing_changes():
    vectors, _ = make_blobs(900, 8, centers=4, cluster_std=0.5, random_state=1)
    near = clustering.create("kmeans").fit(vectors)
    far = clustering.create("kmeans").fit(vectors + 5000)
    assert (near.labels == far.labels).all()


def test_silhouettes_agree_with_scikit_learn():
    rng = np.random.default_rng(8)
    rows = rng.normal(size=(2100, 5)).astype(np.float32)
    labelings = [rng.integers(0, k, 2100).astype(np.int32) for k in (2, 3, 9)]
    labelings.append((rows[:, 0] > 0).astype(np.int32))
    labelings[2][labelings[2] == 8] = 0
    labelings[2][77] = 8  # a cluster of one
    ours = silhouette.silhouettes(rows, labelings)
    theirs = [silhouette_score(rows, labels) for labels in labelings]
    assert ours == pytest.approx(theirs, abs=1e-5)


def test_the_elbow_of_a_broken_line_is_where_it_breaks():
    ks = list(range(1, 11))
    assert choosing.elbow(ks, [1000, 700, 400, 100, 95, 90, 85, 80, 75, 70]) == 4
    assert choosing.elbow(ks, [1000 / k**0.4 for k in ks]) is None
    assert choosing.elbow(ks, [1000 - 50 * k for k in ks]) is None
    assert choosing.elbow([1, 2], [10, 3]) is None
    assert choosing.elbow(ks, [9, 4, 0, 0, 0, 0, 0, 0, 0, 0]) == 3
