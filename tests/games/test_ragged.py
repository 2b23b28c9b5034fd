"""Examples with fewer players than others: same values, Σ 2**n rows."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from captum_interactions import AndInteraction
from captum_interactions.games import BaselineSet, ModelGame


class Counting(nn.Module):
    """A function of all elements and of an argument that counts its rows."""

    def __init__(self):
        super().__init__()
        self.rows = 0

    def forward(self, x, weight):
        self.rows += len(x)
        flat = x.flatten(1).double()
        return torch.sin((flat.cumsum(1) * weight).sum(1)) + flat.prod(1)


def one_by_one(model, x, baseline, mask, weight, n):
    """Brute force: v of every coalition and example, one row a pass."""
    tables = []
    for b in range(len(x)):
        values = []
        for code in range(1 << n):
            row = x[b].clone()
            for place, player in enumerate(mask[b].tolist()):
                if not code >> player & 1:
                    row[place] = baseline[b, place]
            values.append(model(row[None], weight[b : b + 1])[0])
        tables.append(torch.stack(values))
    return torch.stack(tables)


@given(st.integers(0, 2**31), st.booleans())
def test_values_are_those_of_single_examples(seed, padded):
    draw = torch.Generator().manual_seed(seed)
    x = torch.randn(3, 6, generator=draw)
    baseline = torch.randn(3, 6, generator=draw)
    weight = torch.randn(3, 1, generator=draw)
    if padded:  # the same ids everywhere, but padding is its own baseline
        mask = torch.arange(6).expand(3, 6)
        baseline[0, 2:], baseline[1, 4:] = x[0, 2:], x[1, 4:]
    else:
        mask = torch.tensor([[0, 0, 1, 1, 1, 1], [4, 3, 2, 2, 3, 4], list(range(6))])
    model = Counting()
    expected = one_by_one(model, x, baseline, mask, weight, 6)
    game = ModelGame(model, x, baseline, None, weight, mask)
    torch.testing.assert_close(game.table(), expected)


@pytest.mark.parametrize("padded", [False, True])
def test_rows_are_those_of_own_players(padded):
    sizes = [3, 5, 10]
    x, model = torch.ones(3, 10), Counting()
    mask = torch.stack([torch.arange(10).clamp_max(size - 1) for size in sizes])
    if padded:
        mask = torch.arange(10)
        x = (mask < torch.tensor(sizes)[:, None]).float()
    result = AndInteraction(model).interactions(
        x, additional_forward_args=torch.ones(3, 1), feature_mask=mask
    )
    needed = sum(1 << size for size in sizes)
    controls = 2 * len(x) + 2 * len(sizes)  # ∅ and N together, and alone per group
    assert needed <= model.rows <= needed + controls < 3 << 9
    assert result.n_evaluations == 1 << 10
    assert result.dividends[0, 1 << 4 :].abs().max() == 0


def test_a_whole_batch_that_belongs_together_stays_together():
    x = torch.tensor([[1.0, 2.0, 0.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0, 0.0]])
    with pytest.warns(UserWarning, match="depend on each other"):
        coupled = ModelGame(lambda x: x.sum(1) * x.mean(), x).table()
    one = ModelGame(lambda x: (x.sum(1) * x.mean()).sum(), x).table()
    assert one.shape == (1, 32)
    torch.testing.assert_close(coupled.sum(0, keepdim=True), one)
    assert coupled[1, -1] == pytest.approx(0.4)  # 1 · mean of both examples


def test_gradients_reach_what_equals_its_baseline():
    x = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 2.0]], requires_grad=True)
    game = ModelGame(lambda x: x.prod(1) + x.sum(1), x, gradients=True)
    game.table()[..., -1].sum().backward()
    assert x.grad[0].tolist() == [1.0, 1.0, 1.0]
    assert x.grad[1].tolist() == [1.0, 1.0, 1.0]


def test_a_background_set_that_differs_keeps_a_player():
    x = torch.zeros(2, 3)
    background = BaselineSet(torch.tensor([[0.0, 0, 0], [0.0, 1, 0]]))
    table = ModelGame(lambda x: x.sum(1), x, background).table()
    assert table[0].tolist() == [0.5, 0.5, 0, 0, 0.5, 0.5, 0, 0]
