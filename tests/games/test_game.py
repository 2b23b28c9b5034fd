"""ModelGame: what it evaluates, how often, and what it refuses."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from captum_interactions import AndInteraction
from captum_interactions.functional import all_masks, moebius
from captum_interactions.games import BaselineSet, ModelGame, TableGame
from captum_interactions.games.batching import FixedBatch, ProbedBatch
from tests.contracts.attribution import Mlp, double


def masked_by_hand(x, baseline, mask):
    rows = x.clone()
    for b, i in itertools.product(range(x.shape[0]), range(x.shape[1])):
        if not mask[b, i]:
            rows[b, i] = baseline[b, i]
    return rows


@pytest.mark.parametrize("per_eval", [1, 3, 8, None])
def test_table_is_the_forward_on_masked_inputs(per_eval):
    x, base, model = double(3, 5), double(3, 5, seed=1), Mlp(5)
    game = ModelGame(model, x, base, 1, perturbations_per_eval=per_eval)
    table = game.table()
    assert table.shape == (3, 32)
    for code, mask in enumerate(all_masks(5)):
        rows = masked_by_hand(x, base, mask.expand(3, 5))
        assert_close(table[:, code], model(rows)[:, 1].detach(), rtol=0, atol=1e-12)
    assert game.n_evaluations == 32


@pytest.mark.parametrize("shape", [(1, 7), (2, 7), (1, 2, 3), (2, 3, 2)])
@pytest.mark.parametrize("per_example", [False, True])
@pytest.mark.parametrize("n_baselines", [1, 3])
def test_the_reused_buffer_gives_the_same_rows(shape, per_example, n_baselines):
    x = double(*shape)
    mask_shape = shape if per_example else (1, *shape[1:])
    generator = torch.Generator().manual_seed(7)
    players = torch.randint(0, 9, (1, *shape[1:]), generator=generator)
    # Every example has all the players, or it would be enumerated over fewer.
    players = torch.cat([players, players.flip(-1)])[: mask_shape[0]]
    base = BaselineSet(double(n_baselines, *shape[1:], seed=2))
    seen = []

    def f(x):
        seen.append(x.clone())
        return x.flatten(1).pow(2).sum(1)

    game = ModelGame(f, x, base, feature_mask=players)
    table = game.table()
    slow = ModelGame(f, x, base, feature_mask=players)(all_masks(game.n_players))
    assert_close(table, slow, rtol=0, atol=1e-12)
    rows = sum(len(s) for s in seen) // 2
    controls = 2 * shape[0]  # v(∅) and v(N), once more and alone
    assert rows == 2**game.n_players * shape[0] * n_baselines + controls


def test_buffers_grow_shrink_and_move_between_blocks():
    from captum_interactions.games.masking import MaskedInputs
    from captum_interactions.games.rows import CodeRows
    from captum_interactions.players.players import Players

    x, base = double(2, 10), double(1, 10, seed=1)
    players = Players.from_feature_mask(torch.arange(10) // 1 % 9, (x,))
    masked = MaskedInputs((x,), (base.unsqueeze(0),), players)
    reused, fresh = CodeRows(masked, reuse=True), CodeRows(masked, reuse=False)
    blocks = [(0, 1), (1, 32), (32, 64), (64, 128), (128, 256), (320, 384), (384, 416)]
    blocks += [(416, 448), (0, 256), (256, 512), (0, 512), (3, 10), (448, 512)]
    for start, stop in blocks:
        assert torch.equal(reused.rows(start, stop)[0], fresh.rows(start, stop)[0])


def test_a_model_that_writes_into_its_input():
    x = double(1, 9)

    def careless(x):
        x.mul_(x)
        return x.sum(1)

    expected = ModelGame(lambda x: (x * x).sum(1), x).table()
    before = x.clone()
    assert_close(ModelGame(careless, x).table(), expected, rtol=0, atol=1e-12)
    assert_close(ModelGame(careless, x)(all_masks(9)), expected, rtol=0, atol=1e-12)
    assert torch.equal(x, before)


def test_coalitions_of_each_example_its_own():
    x, model = double(3, 4), Mlp()
    masks = torch.rand(3, 6, 4, generator=torch.Generator().manual_seed(0)) > 0.5
    for players in (None, torch.tensor([[0, 1, 2, 3], [3, 2, 1, 0], [0, 0, 2, 3]])):
        game = ModelGame(model, x, target=0, feature_mask=players)
        got = game(masks)
        assert got.shape == (3, 6)
        for b in range(3):
            row = masks[b] if players is None else masks[b][:, players[b]]
            alone = ModelGame(model, x[b : b + 1], target=0)(row)
            assert_close(got[b : b + 1], alone)


def test_averaging_over_a_set_of_baselines():
    x, model = double(2, 4), Mlp()
    samples = double(5, 4, seed=3)
    got = ModelGame(model, x, BaselineSet(samples), 0).table()
    each = [ModelGame(model, x, samples[k : k + 1], 0).table() for k in range(5)]
    assert_close(got, torch.stack(each).mean(0))
    scalar = ModelGame(lambda x: model(x)[:, 0].sum(), x, BaselineSet(samples)).table()
    assert_close(scalar, got.sum(0, keepdim=True))


def test_baselines_in_all_forms():
    x = double(2, 4)
    zeros = ModelGame(Mlp(), x, target=0).table()
    for base in (0, 0.0, torch.zeros(4), torch.zeros(1, 4), torch.zeros(2, 4), (0,)):
        assert_close(ModelGame(Mlp(), x, base, 0).table(), zeros)
    flags = torch.tensor([[True, False]])
    seen = ModelGame(lambda x: x.double().sum(1), flags).table()
    assert seen.tolist() == [[0.0, 1.0, 0.0, 1.0]]
    seen = ModelGame(lambda x: x.double().sum(1), flags, True).table()
    assert seen.tolist() == [[2.0, 2.0, 1.0, 1.0]]


def test_forward_passes_are_counted_and_bounded():
    calls = []

    def f(x):
        calls.append(len(x))
        return x.sum(1)

    game = ModelGame(f, double(2, 5), perturbations_per_eval=7)
    game.table()
    assert calls == [2, 2, 14, 14, 14, 14, 8]
    assert game.n_forwards == 7
    calls.clear()
    game = ModelGame(f, double(1, 12))
    game.table()
    assert sum(calls) == 4096 + 2
    assert game.n_forwards == len(calls)


def test_progress_total_is_the_number_of_forwards(monkeypatch):
    bars = []

    class Bar:
        def __init__(self, show, description, total):
            self.total, self.done = total, 0
            bars.append(self)

        __enter__ = lambda self: self  # noqa: E731
        __exit__ = lambda self, *error: None  # noqa: E731

        def update(self, n):
            self.done += n

    monkeypatch.setattr("captum_interactions.games._batched.progress_bar", Bar)
    x = double(1, 10)
    for per_eval, f in [
        (None, lambda x: x.sum(1)),
        (100, lambda x: x.sum(1)),
        (1, lambda x: x.sum()),
    ]:
        game = ModelGame(f, x, perturbations_per_eval=per_eval, show_progress=True)
        game.table()
        assert bars[-1].total == bars[-1].done == game.n_forwards
    assert bars[-1].total == 1024 + 2


def test_gradients_reach_inputs_baselines_and_parameters():
    model = Mlp()
    x, base = double(2, 4).requires_grad_(), double(1, 4, seed=1).requires_grad_()
    game = ModelGame(model, x, base, 0, gradients=True, perturbations_per_eval=5)
    table = game.table()
    weights = double(16, seed=9)
    (moebius(table) * weights).sum().backward()
    assert all(t.grad is not None for t in (x, base, *model.parameters()))

    def loss(x, base):
        game = ModelGame(model, x, base, 0, gradients=True)
        return moebius(game.table())

    inputs = (x.detach()[:1].requires_grad_(), base.detach().requires_grad_())
    assert torch.autograd.gradcheck(loss, inputs)
    assert not ModelGame(model, x, base, 0).table().requires_grad


def test_grad_mode_of_the_caller_is_kept():
    with torch.no_grad():
        ModelGame(Mlp(), double(1, 4), target=0, gradients=True).table()
        assert not torch.is_grad_enabled()
    ModelGame(Mlp(), double(1, 4), target=0).table()
    assert torch.is_grad_enabled()


def test_table_game():
    table = torch.arange(16.0).view(2, 8)
    game = TableGame(table)
    assert game.n_players == 3
    assert torch.equal(game(all_masks(3)), table)
    assert torch.equal(game.table(), table)
    assert game.n_evaluations == 16


def test_additional_arguments_are_tiled_with_the_batch():
    x, shift = double(2, 3), double(2, 1, seed=4)
    game = ModelGame(
        lambda x, s, k, flag: (x + s).prod(1) * k,
        x,
        additional_forward_args=(shift, 2, None),
    )
    table = game.table()
    for b, (code, mask) in itertools.product(range(2), enumerate(all_masks(3))):
        expected = (x[b] * mask + shift[b]).prod() * 2
        assert_close(table[b, code], expected)


def test_probing_settles_on_the_fastest_size():
    batch = ProbedBatch(1 << 20, 1, 100, on_cpu=False)
    batch.record(1, 0.0)
    cost = {512: 3.0, 1024: 1.0, 2048: 1.2, 4096: 2.0}
    sizes = []
    while not batch.settled:
        sizes.append(batch.size)
        batch.record(batch.size, batch.size * cost[batch.size])
    assert sizes == [512, 1024, 2048, 2048]  # looks twice before it gives up
    assert batch.size == 1024
    assert batch.shrink()
    assert batch.size == 512
    assert not ProbedBatch(4, 1, 1).shrink()
    chosen = FixedBatch(2)
    with pytest.warns(UserWarning, match="memory"):
        assert chosen.shrink()
    assert chosen.size == 1
    assert not chosen.shrink()


def test_slow_models_start_with_small_batches():
    batch = ProbedBatch(1 << 20, 1, 100, on_cpu=False)
    batch.record(1, 0.05)
    assert batch.size == 4
    batch = ProbedBatch(1 << 20, 1, 100, on_cpu=False)
    batch.record(1, 60.0)
    assert batch.size == 1


def test_memory_running_out_halves_the_batch():
    calls = []

    def f(x):
        calls.append(len(x))
        if len(x) > 100:
            raise torch.cuda.OutOfMemoryError("no room")
        return x.sum(1)

    x = double(1, 10)
    assert_close(ModelGame(f, x).table(), ModelGame(lambda x: x.sum(1), x).table())
    with pytest.warns(UserWarning, match="memory ran out with `perturbations_per_ev"):
        got = ModelGame(f, x, perturbations_per_eval=200).table()
    assert_close(got, ModelGame(lambda x: x.sum(1), x).table())


X = torch.ones(2, 3)
BAD = [
    ({"inputs": [1, 2]}, TypeError, "`inputs` must be a tensor or a tuple of tensors"),
    ({"inputs": ()}, ValueError, "`inputs` must be one or more tensors"),
    ({"inputs": torch.tensor(1.0)}, ValueError, "non-empty batch axis first"),
    ({"inputs": torch.zeros(0, 3)}, ValueError, "non-empty batch axis first"),
    ({"inputs": (X, X[:1])}, ValueError, r"got shapes \[\(2, 3\), \(1, 3\)\]"),
    ({"forward_func": 3}, TypeError, "`forward_func` must be callable, got int"),
    (
        {"baselines": torch.zeros(2, 4)},
        ValueError,
        r"`baselines` must be broadcastable",
    ),
    ({"baselines": torch.zeros(5, 3)}, ValueError, "pass a BaselineSet"),
    ({"baselines": (0, 0)}, ValueError, r"one baseline per input tensor \(1\), got 2"),
    ({"baselines": "zero"}, TypeError, "`baselines` must be None, a number"),
    (
        {"baselines": BaselineSet(torch.zeros(5, 4))},
        ValueError,
        r"a BaselineSet of 5 samples of shape \(3,\), got shape \(5, 4\)",
    ),
    ({"baselines": BaselineSet(torch.zeros(0, 3))}, ValueError, "a BaselineSet with"),
    ({"baselines": BaselineSet((X, X))}, ValueError, "one tensor of samples per input"),
    ({"inputs": X.long(), "baselines": 0.5}, ValueError, "representable in .*int64"),
    (
        {"target": [0, 1, 0]},
        ValueError,
        "`target` must be one output index, or one for",
    ),
    ({"target": torch.zeros(3).long()}, ValueError, r"each of the 2 examples, got a T"),
    ({"target": "cat"}, TypeError, "`target` must be an int, tuple, list or tensor"),
    (
        {"perturbations_per_eval": 0},
        ValueError,
        "`perturbations_per_eval` must be a pos",
    ),
    (
        {"perturbations_per_eval": 2.0},
        TypeError,
        "`perturbations_per_eval` must be an integer",
    ),
    (
        {"perturbations_per_eval": True},
        TypeError,
        "`perturbations_per_eval` must be an integer",
    ),
    ({"feature_mask": torch.tensor([0, 1, -2])}, ValueError, "non-negative"),
]


@pytest.mark.parametrize(("arguments", "error", "message"), BAD)
def test_bad_arguments_before_the_first_forward(arguments, error, message):
    calls = []

    def f(x):
        calls.append(x)
        return x

    call = {"forward_func": f, "inputs": X} | arguments
    with pytest.raises(error, match=message):
        AndInteraction(call.pop("forward_func")).attribute(**call)
    assert not calls


def test_too_many_players_names_evaluations_and_remedies():
    calls = []
    with pytest.raises(
        ValueError,
        match=r"30 players.*stops at 24.*2\*\*30 \(about 10\*\*9\).*_mask.*n_samples",
    ):
        AndInteraction(calls.append).attribute(torch.zeros(1, 30))
    assert not calls


@pytest.mark.parametrize(
    ("f", "error", "message"),
    [
        (lambda x: x[:1], ValueError, r"one row per input row .* got shape \(1, 5\)"),
        (
            lambda x: torch.ones(3),
            ValueError,
            r"one row per input row .* got shape \(3,\)",
        ),
        (lambda x: "cat", TypeError, "`forward_func` must return a tensor or a number"),
        (
            lambda x: torch.where((x[:, 0] > 0) ^ (x[:, 1] > 0), torch.nan, x[:, 2]),
            ValueError,
            r"NaN or infinity on 16 of 32 coalitions, first on .* players \(0,\)",
        ),
    ],
)
def test_bad_forward_functions(f, error, message):
    with pytest.raises(error, match=message):
        AndInteraction(f).attribute(torch.arange(1.0, 11.0).view(2, 5))


def test_non_finite_values_of_chosen_coalitions():
    game = ModelGame(lambda x: 1 / x[:, 0], torch.ones(1, 2))
    masks = torch.tensor([[True, False], [False, True]])
    with pytest.raises(ValueError, match=r"first .* players \(1,\)"):
        game(masks)


@pytest.mark.parametrize("gradients", [False, True])
def test_nan_is_reported_in_the_block_where_it_occurs(gradients):
    passes = []

    def forward(x):
        passes.append(len(x))
        # Players 6 and 8 together: codes from 320 on, the sixth block of 64.
        return torch.where((x[:, 6] * x[:, 8]) == 1, torch.nan, x.sum(-1))

    game = ModelGame(
        forward, torch.ones(1, 10), perturbations_per_eval=64, gradients=gradients
    )
    with pytest.raises(ValueError, match=r"first .* players \(6, 8\)"):
        game.table()
    assert sum(passes) <= 450  # of 1,024: six blocks, two controls, one asked again


@pytest.mark.parametrize("target", [5, (0, 0, 0), [7, 0], torch.tensor([0, 9])])
def test_targets_that_do_not_exist(target):
    with pytest.raises(
        ValueError, match="`target` must select from an output of shape"
    ):
        AndInteraction(Mlp()).attribute(double(2, 4), target=target)
    with pytest.raises(ValueError, match=r"output of shape \(8, 2\)"):
        ModelGame(Mlp(), double(8, 4), target=5).table()  # fewer outputs than rows


def test_bad_masks_of_coalitions():
    game = ModelGame(lambda x: x.sum(1), torch.ones(2, 3))
    with pytest.raises(TypeError, match="`masks` must be a boolean tensor"):
        game(torch.ones(4, 3))
    for shape in [(4, 2), (3, 4, 3), (3,)]:
        with pytest.raises(ValueError, match=r"`masks` must be of shape \(C, 3\) or"):
            game(torch.ones(shape, dtype=torch.bool))


def test_train_mode_is_warned_of():
    x = double(4, 4)
    norm = nn.Sequential(nn.BatchNorm1d(4), nn.Linear(4, 1)).double()
    with pytest.warns(UserWarning, match="batch norm mixes .* model.eval"):
        ModelGame(norm, x)
    norm.eval()
    ModelGame(norm, x)
    ModelGame(nn.Linear(4, 1).double().train(), x)  # has nothing that chance decides


def test_repr():
    game = ModelGame(lambda x: x.sum(1), torch.ones(2, 3))
    game.table()
    assert repr(game) == "ModelGame(3 players, 2 examples, 8 coalitions evaluated)"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_device_follows_the_inputs():
    x, model = double(2, 4).cuda(), Mlp().cuda()
    result = AndInteraction(model).interactions(x, target=0)
    assert result.values.device == result.attributions().device == x.device
    expected = AndInteraction(Mlp()).attribute(x.cpu(), target=0)
    assert_close(result.attributions().cpu(), expected)
