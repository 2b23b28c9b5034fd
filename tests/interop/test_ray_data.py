"""Batches of numpy arrays explained, alone and by real workers of Ray."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from captum_interactions import AndInteraction, ShapleyInteraction
from captum_interactions.interop import ExplainBatches

INPUTS = torch.randn(12, 6, generator=torch.Generator().manual_seed(0))
BATCH = {"inputs": INPUTS.numpy(), "label": np.arange(12) % 2, "id": np.arange(12)}


def model(x):
    return torch.stack([x.prod(-1), x[:, 0] * x[:, 1]], -1)


def test_columns_are_added():
    explain = ExplainBatches(lambda: AndInteraction(model), target="label")
    found = explain(BATCH)
    right = AndInteraction(model).attribute(INPUTS, target=(torch.arange(12) % 2))
    np.testing.assert_allclose(found["attributions"], right.numpy(), atol=1e-6)
    assert set(found) == {*BATCH, "attributions"}
    own = ExplainBatches(
        lambda: AndInteraction(model),
        target=1,
        read=lambda result: {"v": result.info.v_full, "n": [result.n_evaluations]},
    )(BATCH)
    np.testing.assert_allclose(own["v"], model(INPUTS)[:, 1], atol=1e-6)
    assert own["n"].tolist() == [64] * 12


def test_draws_belong_to_the_example():
    explain = ExplainBatches(
        lambda: ShapleyInteraction(model), target=0, seed=1, n_samples=20
    )
    whole = explain(BATCH)["attributions"]
    order = np.random.default_rng(0).permutation(12)
    for part in np.array_split(order, 5):
        some = explain({name: column[part] for name, column in BATCH.items()})
        assert np.array_equal(some["attributions"], whole[part])
    other = ExplainBatches(
        lambda: ShapleyInteraction(model), target=0, seed=2, n_samples=20
    )
    assert not np.array_equal(other(BATCH)["attributions"], whole)


def test_bad_columns():
    with pytest.raises(TypeError, match="make_method"):
        ExplainBatches(AndInteraction(model))
    for options in ({"inputs": "image"}, {"target": "class"}):
        explain = ExplainBatches(lambda: AndInteraction(model), **options)
        with pytest.raises(ValueError, match=r"columns of the data set.*'id'"):
            explain(BATCH)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_two_workers_of_ray():
    ray = pytest.importorskip("ray")
    data = pytest.importorskip("ray.data")
    root = str(Path(__file__).parents[2])
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        runtime_env={"env_vars": {"PYTHONPATH": root, "OMP_NUM_THREADS": "1"}},
    )

    def make():  # in the worker, which knows nothing of this module
        import torch

        from captum_interactions import ShapleyInteraction

        return ShapleyInteraction(
            lambda x: torch.stack([x.prod(-1), x[:, 0] * x[:, 1]], -1)
        )

    settings = {"make_method": make, "target": "label", "seed": 1, "n_samples": 20}
    try:
        found = {}
        for workers, size in ((1, 12), (2, 3)):
            items = [
                {"inputs": INPUTS[i].numpy(), "label": i % 2, "id": i}
                for i in range(12)
            ]
            explained = data.from_items(items, override_num_blocks=4).map_batches(
                ExplainBatches,
                fn_constructor_kwargs=settings,
                batch_size=size,
                compute=data.ActorPoolStrategy(size=workers),
            )
            rows = explained.take_all()
            rows = sorted(rows, key=lambda row: row["id"])
            found[workers] = np.stack([row["attributions"] for row in rows])
    finally:
        ray.shutdown()
    assert np.array_equal(found[1], found[2])
    right = ExplainBatches(**{**settings, "make_method": make})(BATCH)
    np.testing.assert_allclose(found[1], right["attributions"], atol=1e-6)
