from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from segmentation.engine import evaluation, interactions, recommenders
from segmentation.engine.recommenders import base, ncf
from tests import checkerboard

NETWORKS = ("gmf", "mlp", "neumf")


def world() -> interactions.Interactions:
    return interactions.Interactions.from_frame(checkerboard.frame())


def small(**params) -> base.Recommender:
    common = {"n_factors": 4, "epochs": 40, "weight_decay": 0.1, "learning_rate": 0.02}
    return recommenders.create("ncf", **(common | params))


def withheld() -> evaluation.Holdout:
    data = world()
    own = data.items.rows([int(user[1:]) for user in data.users.ids])
    truth = np.zeros((checkerboard.N, checkerboard.N))
    truth[np.arange(checkerboard.N), own] = 1
    return evaluation.Holdout(interactions.sparse.csr_matrix(truth))


@pytest.mark.slow
@pytest.mark.parametrize("network", NETWORKS)
def test_every_network_finds_the_withheld_item(network):
    model = small(network=network, learning_rate_decay=0.95).fit(world())
    assert withheld().ndcg(model, world()) > 0.97


@pytest.mark.slow
@pytest.mark.parametrize("network", NETWORKS)
def test_a_score_is_what_the_network_of_the_paper_computes(network):
    model = small(network=network, epochs=2, layers=(6, 5, 3)).fit(world())
    top = model.recommend([7], n=50, exclude_seen=False)
    n_gmf, n_mlp = model.widths
    user = model.user_vectors_[7]
    for item, score in zip(top.items[0], top.scores[0], strict=True):
        vector = model.item_vectors_[item]
        expected = user[:n_gmf] @ vector[:n_gmf] + model.item_bias_[item]
        if n_mlp:
            hidden = np.concatenate([user[n_gmf:], vector[n_gmf:]])
            for kernel, bias in model._dense_layers():
                hidden = np.maximum(hidden @ kernel + bias, 0)
            expected += hidden @ model.output_
        assert score == pytest.approx(expected, rel=1e-4, abs=1e-5)


@pytest.mark.slow
def test_it_stops_early_and_keeps_the_best_epoch():
    told = []
    model = small(network="gmf", epochs=60, patience=2, learning_rate_decay=1.0)
    model.fit(world(), validation=withheld(), on_epoch=lambda *at: told.append(at))
    metrics = [at[3] for at in told]
    assert len(told) < 60
    assert [at[0] for at in told] == list(range(1, len(told) + 1))
    assert withheld().ndcg(model, world()) == pytest.approx(max(metrics))
    best = metrics.index(max(metrics)) + 1
    assert model.refit_params == {**model.params, "epochs": best}
    assert len(told) == best + 2


@pytest.mark.slow
def test_without_a_validation_it_runs_to_the_end_and_the_loss_falls():
    told = []
    model = small(network="gmf", epochs=6)
    model.fit(world(), on_epoch=lambda *at: told.append(at))
    assert [at[0] for at in told] == [1, 2, 3, 4, 5, 6]
    assert told[-1][2] < told[0][2] <= 0.8
    assert all(math.isnan(at[3]) for at in told)


@pytest.mark.slow
def test_it_can_be_cancelled_between_epochs():
    def cancel(epoch: int, *_: float) -> None:
        if epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        small(network="gmf").fit(world(), on_epoch=cancel)


@pytest.mark.slow
def test_a_loaded_model_recommends_without_tensorflow(tmp_path):
    small(network="neumf", epochs=1).fit(world()).save(tmp_path)
    code = (
        "import sys; from segmentation.engine import recommenders as r; "
        f"m = r.load({str(tmp_path)!r}); top = m.recommend([0], 3); "
        "m.similar_items([0], 3); assert (top.items >= 0).all(); "
        "assert 'tensorflow' not in sys.modules and 'keras' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("params", "word"),
    [
        ({"network": "transformer"}, "network"),
        ({"layers": (7, 3)}, "layers"),
        ({"layers": (8,)}, "layers"),
        ({"n_negatives": 0}, "n_negatives"),
        ({"epochs": 0}, "epochs"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"n_factors": 0}, "n_factors"),
    ],
)
def test_a_parameter_out_of_range_is_named(params, word):
    with pytest.raises(base.BadParameter, match=word):
        recommenders.create("ncf", **params).fit(world())


@pytest.mark.slow
def test_the_fits_of_a_training_compile_once():
    ncf._compiled.cache_clear()
    model = small(network="gmf", epochs=1)
    model.fit(world())
    late = {
        "user_id": ["new"],
        "item_id": [3],
        "weight": [1.0],
        "timestamp": [19_090.0],
    }
    frame = pd.concat([checkerboard.frame(), pd.DataFrame(late)])
    small(network="gmf", epochs=1).fit(interactions.Interactions.from_frame(frame))
    program = ncf._compiled(model.widths, model.weight_decay)
    assert program.experimental_get_tracing_count() == 1


@pytest.mark.slow
def test_the_seed_decides_the_model():
    first, again, other = (
        small(network="neumf", epochs=2, seed=seed).fit(world()) for seed in (3, 3, 4)
    )
    assert np.array_equal(first.item_vectors_, again.item_vectors_)
    assert not np.array_equal(first.item_vectors_, other.item_vectors_)


TWICE = """
import numpy as np
from tests.segmentation.engine import test_ncf
from tensorflow.python.framework import config
models = [
    test_ncf.small(network="neumf", epochs=3, deterministic=True).fit(test_ncf.world())
    for _time in range(2)
]
assert config.is_op_determinism_enabled()
for name in models[0].learned:
    assert np.array_equal(*(getattr(model, name) for model in models)), name
print("equal")
"""


def test_deterministic_means_equal_to_the_last_bit():
    """In a process of its own: it is said to TensorFlow for the whole process."""
    command = [sys.executable, "-c", TWICE]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "equal", done.stderr[-500:]
    with pytest.raises(base.BadParameter, match="must be true or false"):
        small(deterministic=1)
