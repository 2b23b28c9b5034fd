"""Baselines side by side, and baselines of text."""

from __future__ import annotations

import pytest
import torch
from captum.attr import (
    configure_interpretable_embedding_layer,
    remove_interpretable_embedding_layer,
)
from torch import nn
from torch.testing import assert_close

from captum_interactions import AndInteraction, LearnedBaselineShapley
from captum_interactions.baselines import compare_baselines, nearest_tokens
from captum_interactions.games import BaselineSet
from tests import reference


def model(x):
    return (x[:, 0] * x[:, 1]).sigmoid() + x[:, 2] * x[:, 0]


def test_figures_are_those_of_each_baseline():
    x = torch.randn(4, 3, generator=torch.Generator().manual_seed(0)).double()
    samples = BaselineSet(x[:2])
    compared = compare_baselines(
        model, x, {"zero": 0.0, "far": torch.full((1, 3), 9.0), "sample": samples}
    )
    assert compared.names == ("zero", "far", "sample")
    assert compared.order_profile.shape == (3, 3)
    assert compared.n_salient.shape == (3, 4)
    far = torch.full((1, 3), 9.0).double()
    for k, baseline in enumerate((0.0, far, samples)):
        result = AndInteraction(model).interactions(x, baseline)
        salient = result.salient(0.05)
        assert compared.n_salient[k].tolist() == salient.sum(-1).tolist()
        strength = result.values.abs()
        assert_close(compared.mass[k], strength[..., 1:].sum(-1))
        assert_close(compared.salient_mass[k], (strength * salient).sum(-1))
    game = reference.as_game(
        [model(torch.where(torch.tensor([c >> i & 1 for i in range(3)]).bool(),
                           x[0], 0.0)[None]).item() for c in range(8)]
    )  # fmt: skip
    one = compare_baselines(model, x[:1], {"zero": 0.0}, data=x)
    for m in range(3):
        expected = sum(
            abs(reference.multi_order_shapley(game, i, m, 3)) for i in range(3)
        )
        assert one.order_profile[0, m].item() == pytest.approx(expected / 3, abs=1e-10)
    gap = (9 - x.amax(0)) / x.std(0, unbiased=False)
    assert_close(compared.outside_range[1], gap.mean())
    assert compared.outside_range[2] == 0
    assert "salient" in repr(compared)
    assert len(repr(compared).splitlines()) == 4


def test_bad_comparisons():
    x = torch.ones(1, 3)
    with pytest.raises(TypeError, match="`baselines` must be a dict"):
        compare_baselines(model, x, [0.0])
    with pytest.raises(ValueError, match="`baselines` must be at least one baseline"):
        compare_baselines(model, x, {})
    with pytest.raises(ValueError, match="`threshold` must be between 0 and 1"):
        compare_baselines(model, x, {"zero": 0.0}, threshold=1.0)


class Text(nn.Module):
    """Bag of words with an interaction, on token ids."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(12, 4)
        self.head = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2))

    def forward(self, tokens):
        return self.head(self.embedding(tokens).sum(1))


@pytest.mark.filterwarnings("ignore:In order to make embedding layers")
def test_text_in_embedding_space_and_the_nearest_token():
    with torch.random.fork_rng():
        torch.manual_seed(2)
        network = Text().eval()
    tokens = torch.randint(0, 12, (40, 5), generator=torch.Generator().manual_seed(1))
    weight = network.embedding.weight.detach().clone()
    layer = configure_interpretable_embedding_layer(network, "embedding")
    try:
        vectors = layer.indices_to_embeddings(tokens).detach()
        positions = torch.arange(5).view(1, 5, 1)
        fitted = LearnedBaselineShapley(network).fit(
            vectors,
            1,
            feature_mask=positions,
            init=weight.mean(0).view(1, 1, 4),
            steps=30,
            generator=torch.Generator().manual_seed(0),
        )
        result = fitted.interactions(vectors[:3], target=1)
    finally:
        remove_interpretable_embedding_layer(network, layer)
    assert fitted.baselines_.shape == (1, 5, 4)
    assert result.values.shape == (3, 32)
    ids, distances = nearest_tokens(fitted.baselines_[:, :1], weight)
    assert ids.shape == (1, 1, 1)
    expected = (weight - fitted.baselines_[0, 0]).norm(dim=1)
    assert ids.item() == expected.argmin()
    assert_close(distances.item(), expected.min().item(), rtol=1e-4, atol=1e-5)
