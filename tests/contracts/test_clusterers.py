"""What every clusterer promises, whichever it is."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import make_blobs
from sklearn.metrics import adjusted_rand_score

from segmentation.engine import clustering
from segmentation.services import segmenting

# A tree is built some thirty times for its votes.
SLOW = ("hierarchical",)
pytestmark = pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else [])
        for name in clustering.names()
    ],
)

# What finds the four blobs, where the defaults are not made for such data.
FOR_BLOBS = {"threshold": {"tau": 0.95}, "reference": {"tau": 0.9}}
CHOOSE_K = ("kmeans", "hierarchical")  # the others have another rule
N_GROUPS = {"reference": 2}  # like one customer, and the rest


def fitted(name, vectors):
    return clustering.create(name, **FOR_BLOBS.get(name, {})).fit(vectors)


@pytest.fixture(scope="module")
def blobs():
    return make_blobs([300, 200, 100, 50], 8, cluster_std=0.7, random_state=3)


def test_it_finds_four_well_separated_groups(name, blobs):
    vectors, truth = blobs
    clusters = fitted(name, vectors)
    if name in N_GROUPS:
        truth = truth == truth[0]
    found = clusters.labels >= 0
    assert found.mean() > 0.98
    assert adjusted_rand_score(truth[found], clusters.labels[found]) == 1
    assert len(clusters.centers) == N_GROUPS.get(name, 4)


def test_the_answer_has_the_promised_form(name, blobs):
    clusters = fitted(name, blobs[0])
    assert clusters.labels.dtype == np.int32
    assert clusters.labels.shape == (650,)
    assert clusters.centers.shape == (N_GROUPS.get(name, 4), 8)
    assert np.isfinite(clusters.centers).all()
    votes = {"elbow_k", "silhouette_k", "stability_k"}
    assert {"silhouette", "inertia", "rule", *votes} <= set(clusters.scores)
    curve = {"k", "inertia", "silhouette", "stability"}
    assert all(curve <= set(row) for row in clusters.k_curve)
    assert bool(clusters.k_curve) == (name in CHOOSE_K)


def test_it_takes_what_a_segment_set_passes(name, blobs):
    """What segmenting sets for all of them; an operator may add a fixed number."""
    clusters = clustering.create(name, **segmenting.DEFAULTS).fit(blobs[0])
    assert len(clusters.labels) == 650
    asked = segmenting.DEFAULTS | {"n_clusters": 3}
    if name in CHOOSE_K:
        assert len(clustering.create(name, **asked).fit(blobs[0]).centers) == 3
    else:
        with pytest.raises(ValueError, match=r"\w+ \w+.*\.$"):
            clustering.create(name, **asked)


def test_the_largest_cluster_is_number_nought(name, blobs):
    labels = fitted(name, blobs[0]).labels
    sizes = np.bincount(labels[labels >= 0])
    assert (np.diff(sizes) <= 0).all()
    assert sizes[0] >= 295


def test_the_same_seed_gives_the_same_segments(name):
    vectors = np.random.default_rng(1).normal(size=(300, 4))
    one, two = (clustering.create(name, seed=5).fit(vectors) for _ in range(2))
    assert (one.labels == two.labels).all()
    assert (one.centers == two.centers).all()
    assert one.scores == two.scores


def test_old_and_new_customers_are_assigned_alike(name, blobs):
    vectors, _ = blobs
    clusters = fitted(name, vectors)
    assert (clusters.assign(vectors) == clusters.labels).all()
    newcomers = vectors + np.random.default_rng(0).normal(0, 0.05, vectors.shape)
    # Somebody at the edge of what is near enough may fall out, or in.
    assert (clusters.assign(newcomers) == clusters.labels).mean() > 0.99
    assert clusters.assign(np.empty((0, 8))).shape == (0,)


def test_vectors_are_left_as_they_were(name, blobs):
    vectors = blobs[0].astype(np.float32)
    before = vectors.copy()
    fitted(name, vectors)
    assert (vectors == before).all()


@pytest.mark.parametrize(
    ("vectors", "code"),
    [
        (np.array([[1.0, np.nan], [0, 1], [1, 1]]), "not_finite"),
        (np.full((9, 3), 1e300), "not_finite"),
        (np.ones((50, 4)), "all_equal"),
        (np.eye(2), "too_few"),
        (np.empty((0, 4)), "too_few"),
        (np.ones(7), "no_vectors"),
        (np.empty((7, 0)), "no_vectors"),
    ],
)
def test_what_cannot_be_divided_is_refused_with_a_sentence(name, vectors, code):
    with pytest.raises(
        clustering.ClusteringRefused, match=r"\w+ \w+.*[.?]$"
    ) as refused:
        clustering.create(name).fit(vectors)
    assert refused.value.code == code


def test_vectors_of_another_model_are_refused(name, blobs):
    clusters = fitted(name, blobs[0])
    with pytest.raises(clustering.ClusteringRefused, match="another model"):
        clusters.assign(np.ones((3, 5)))
