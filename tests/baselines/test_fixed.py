"""Baseline choices and the examples they are computed from."""

from __future__ import annotations

import pytest
import torch
from captum.attr import FeatureAblation
from torch.testing import assert_close
from torch.utils.data import DataLoader, TensorDataset

from captum_interactions import AndInteraction
from captum_interactions.baselines import (
    blurred_image,
    constant_token,
    data_mean,
    data_median,
    data_sample,
    nearest_tokens,
    zero_baseline,
)
from captum_interactions.baselines.examples import ExampleGames, open_examples
from captum_interactions.games import BaselineSet


def data(rows=11, n=3, seed=0):
    return torch.randn(rows, n, generator=torch.Generator().manual_seed(seed))


def test_every_choice_fits_a_captum_method():
    images = torch.rand(2, 1, 6, 6, generator=torch.Generator().manual_seed(0))
    more = torch.rand(9, 1, 6, 6, generator=torch.Generator().manual_seed(1))
    method = FeatureAblation(lambda x: x.flatten(1).square().sum(1))
    for baseline in (
        zero_baseline(images),
        data_mean(more),
        data_median(more),
        blurred_image(images, sigma=1.0),
    ):
        assert method.attribute(images, baselines=baseline).shape == images.shape


def test_means_and_medians():
    x, y = data(), data(n=2, seed=1)
    assert_close(data_mean(x), x.mean(0, keepdim=True))
    assert_close(data_median(x), x.median(0, keepdim=True).values)
    for choice in (data_mean, data_median, zero_baseline):
        both = choice((x, y))
        assert [t.shape for t in both] == [(1, 3), (1, 2)]
        assert_close(both[0], choice(x))
        assert isinstance(choice((x,)), tuple)
    loader = DataLoader(TensorDataset(x, torch.arange(11)), batch_size=4)
    assert_close(data_mean(loader), x.mean(0, keepdim=True))
    with pytest.raises(TypeError, match="`data` must be floating point"):
        data_mean(torch.arange(6).view(2, 3))


def test_constant_tokens():
    ids = torch.tensor([[2, 7, 8, 3], [2, 9, 3, 0]])
    got = constant_token(ids, token=1, keep=(2, 3))
    assert got.tolist() == [[2, 1, 1, 3], [2, 1, 3, 1]]
    assert constant_token(ids, 5).unique().tolist() == [5]
    with pytest.raises(TypeError, match="`token_ids` must be a tensor of integer ids"):
        constant_token(ids.float(), 1)


def test_samples_average_the_value():
    x, generator = data(), torch.Generator().manual_seed(4)
    state = torch.get_rng_state()
    sample = data_sample(x, size=5, generator=generator)
    assert isinstance(sample, BaselineSet)
    assert torch.equal(torch.get_rng_state(), state)
    assert len({tuple(row) for row in sample.samples.tolist()}) == 5
    f = torch.nn.Tanh()
    averaged = AndInteraction(lambda z: f(z).prod(1)).attribute(x[:2], sample)
    each = [
        AndInteraction(lambda z: f(z).prod(1)).attribute(x[:2], one[None])
        for one in sample.samples
    ]
    assert_close(averaged, torch.stack(each).mean(0))
    assert data_sample((x, x), size=2).size == 2
    with pytest.raises(ValueError, match="`size` must be at most the 11 examples"):
        data_sample(x, size=12)


def test_nearest_tokens():
    vocabulary = data(20, 4)
    vectors = vocabulary[[3, 17]].view(1, 2, 4) + 1e-3
    ids, distances = nearest_tokens(vectors, vocabulary, k=2)
    assert ids[..., 0].tolist() == [[3, 17]]
    expected = (vectors.view(2, 1, 4) - vocabulary).norm(dim=-1).sort(-1)
    assert_close(distances.view(2, 2), expected.values[:, :2], rtol=1e-3, atol=1e-4)
    assert ids.view(2, 2).tolist() == expected.indices[:, :2].tolist()
    with pytest.raises(ValueError, match=r"`embeddings` must be of shape \(vocabulary"):
        nearest_tokens(vectors, vocabulary[:, :3])
    with pytest.raises(ValueError, match="`k` must be at most 20 tokens"):
        nearest_tokens(vectors, vocabulary, k=21)


@pytest.mark.parametrize("batch_size", [1, 4, 11])
def test_statistics_of_a_loader_are_those_of_its_tensors(batch_size):
    x = data() * torch.tensor([1.0, 1e-3, 1e3]) + torch.tensor([0.0, 5.0, 1e5])
    loader = DataLoader(TensorDataset(x), batch_size=batch_size)
    for examples in (open_examples(x), open_examples(loader)):
        found = examples.statistics()
        assert found.size == 11
        exact = x.double()
        assert_close(found.mean[0], exact.mean(0, keepdim=True).float())
        deviation = exact.std(0, unbiased=False, keepdim=True).float()
        assert_close(found.std[0], deviation)
        assert_close(found.low[0], x.amin(0, keepdim=True))
        assert_close(found.high[0], x.amax(0, keepdim=True))


def test_batches_keep_together_what_belongs_together():
    x = torch.arange(10.0).view(10, 1)
    weight, table = 10 * torch.arange(10.0), torch.zeros(3)
    masks = torch.arange(10).view(10, 1)
    calls = []

    def f(*arguments):
        calls.append(arguments)
        return arguments[0] + torch.arange(10.0)

    for target in (torch.arange(10), list(range(10))):
        examples = open_examples(x, target, (weight, table, "text"), masks)
        generator = torch.Generator().manual_seed(0)
        stream = ExampleGames(examples, f).forever(4, generator)
        seen = []
        for _ in range(4):  # two epochs of two batches of four
            game = next(stream)
            rows = game.inputs[0][:, 0].long()
            seen.append(set(rows.tolist()))
            assert game.players.masks[0][:, 0].tolist() == rows.tolist()
            calls.clear()
            full = game(torch.ones(1, 10).bool())[:, 0]
            assert full.tolist() == (2 * rows).tolist()
            assert calls[0][1].tolist() == (10 * rows).tolist()
            assert calls[0][2].tolist() == table.tolist()
            assert calls[0][3] == "text"
        assert not seen[0] & seen[1]
        assert seen[0] != seen[2]


def test_loaders_yield_targets_and_arguments():
    x, y = data(4), torch.tensor([1, 0, 2, 1])
    batch = next(open_examples(DataLoader(TensorDataset(x, y), batch_size=3)).once())
    assert batch.target.tolist() == [1, 0, 2]
    fixed = open_examples(DataLoader(TensorDataset(x, y), batch_size=3), target=2)
    assert next(fixed.once()).target == 2
    regression = open_examples(DataLoader(TensorDataset(x, y.double()), batch_size=3))
    assert next(regression.once()).target is None
    pairs = DataLoader([((a, a), b, (2.0,)) for a, b in zip(x, y, strict=True)])
    batch = next(open_examples(pairs).once())
    assert len(batch.inputs) == 2
    assert batch.additional_forward_args[0].item() == 2.0
    loaded = open_examples(DataLoader(TensorDataset(x), batch_size=3))
    head = ExampleGames(loaded, lambda x: x.sum(1)).head(4)
    assert [game.batch_size for game in head] == [3, 1]
