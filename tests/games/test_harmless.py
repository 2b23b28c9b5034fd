"""Whatever a model does with its inputs and its rows, values are those of brute force.

Kinds of models that users of attribution libraries brought to them; the judge
evaluates one coalition per pass on fresh tensors.
"""

from __future__ import annotations

import functools
import threading
import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torch.testing import assert_close

from captum_interactions import AndInteraction, ShapleyInteraction
from captum_interactions.functional import all_masks, moebius
from captum_interactions.games import BaselineSet, ModelGame
from tests.contracts.attribution import double
from tests.games.brute_force import brute_force

N = 7  # blocks of 32 and 64 coalitions reuse their buffer


def product(x):
    return x.prod(1) + x.sum(1) ** 2


class Writes:
    """Overwrites its input in a way no version counter sees."""

    def __init__(self, how):
        self.how = how

    def __call__(self, x):
        out = product(x)
        self.how(x)
        return out


class Remembers:
    """Answers at once if it gets the tensor of the last call."""

    def __init__(self):
        self.last = self.answer = None

    def __call__(self, x):
        if x is not self.last:
            self.last, self.answer = x, product(x)
        return self.answer


class KeepsInputs:
    """Looks at all it ever got at the end: each input must still be what it was."""

    def __init__(self):
        self.seen, self.values = [], []

    def __call__(self, x):
        self.seen.append(x)
        self.values.append(product(x))
        return self.values[-1]


class RemembersIds:
    """Answers by the id of what it was asked, and keeps nothing of that."""

    def __init__(self):
        self.answers = {}

    def __call__(self, x):
        return self.answers.setdefault(id(x), product(x))


def numpy_write(x):
    x.numpy()[...] = 7


def data_write(x):
    x.data.mul_(3)


def detached_write(x):
    x.detach().zero_()


def storage_write(x):
    x.untyped_storage().fill_(0)


KIND_A = {
    "numpy view": lambda: Writes(numpy_write),
    ".data": lambda: Writes(data_write),
    "detach": lambda: Writes(detached_write),
    "storage": lambda: Writes(storage_write),
    "set_": lambda: Writes(lambda x: x.set_(torch.zeros(3).double())),
    "resize_": lambda: Writes(lambda x: x.resize_(0)),
    "lru_cache": lambda: functools.lru_cache(product),
    "last input": Remembers,
    "ids": RemembersIds,
    "keeps inputs": KeepsInputs,
    "view of the input": lambda: lambda x: x[:, 3],
    "the input itself": lambda: lambda x: x,
    "in-place activation": lambda: nn.Sequential(nn.ReLU(inplace=True), nn.Flatten()),
    "returns one buffer": lambda: OneBuffer(),
}


class OneBuffer:
    """Writes each output into the same memory."""

    def __init__(self):
        self.out = torch.zeros(1 << 12).double()

    def __call__(self, x):
        out = self.out[: len(x)]
        torch.sum(x**2, 1, out=out)
        return out


@pytest.mark.parametrize("per_eval", [None, 1, 32, 50])
@pytest.mark.parametrize("kind", KIND_A)
def test_what_a_forward_does_with_its_input(kind, per_eval):
    x, base = double(1, N) + 1.5, double(1, N, seed=1)
    f = KIND_A[kind]()
    # The judge's own tensors come and go, which only a memory of ids would notice.
    expected = brute_force(product if kind == "ids" else KIND_A[kind](), x, base)
    game = ModelGame(f, x, base, perturbations_per_eval=per_eval)
    assert_close(game.table(), expected, rtol=0, atol=1e-9)
    if kind != "ids":  # … from one call to the next, too
        assert_close(game(all_masks(N)), expected, rtol=0, atol=1e-9)
    if isinstance(f, KeepsInputs):
        for seen, values in zip(f.seen, f.values, strict=True):
            assert_close(product(seen), values, rtol=0, atol=0)


class RemembersAddresses:
    """Answers by where its input lies: fresh tensors may lie where old ones did."""

    def __init__(self):
        self.answers = {}

    def __call__(self, x):
        return self.answers.setdefault((x.data_ptr(), len(x)), product(x))


@pytest.mark.parametrize("per_eval", [None, 1, 8, 32])
@pytest.mark.parametrize("n", [3, 7, 10])
def test_a_memory_of_addresses_is_right_or_refused(n, per_eval):
    x = double(1, n) + 1.5
    game = ModelGame(RemembersAddresses(), x, perturbations_per_eval=per_eval)
    try:
        table = game.table()
    except ValueError as error:
        assert "`forward_func` must be a function of what its input" in str(error)  # noqa: PT017
    else:
        assert_close(table, brute_force(product, x), rtol=0, atol=1e-9)


def test_a_constant_function_remembers_no_addresses():
    calls = []

    def f(x):
        calls.append(len(x))
        return torch.zeros(len(x))

    assert not ModelGame(f, double(1, 9), perturbations_per_eval=16).table().any()
    assert len(calls) <= 2 + 32 + 1  # controls, blocks, one question


def test_arguments_that_a_forward_writes_into():
    x, scale, shift = double(2, N), double(2, N, seed=1), double(N, seed=2)

    def f(x, scale, shift):
        out = (x * scale + shift).sum(1)
        scale.mul_(2)
        shift.numpy()[...] = 0
        return out

    before = scale.clone(), shift.clone()
    expected = brute_force(f, x, args=(scale, shift))
    for per_eval in (None, 1, 64):
        game = ModelGame(f, x, additional_forward_args=(scale, shift),
                         perturbations_per_eval=per_eval)  # fmt: skip
        assert_close(game.table(), expected)
    assert torch.equal(scale, before[0])
    assert torch.equal(shift, before[1])


MODES = {
    "inference_mode": torch.inference_mode,
    "no_grad": torch.no_grad,
    "enable_grad": torch.enable_grad,
    "anomaly": lambda: torch.autograd.set_detect_anomaly(True),
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
}


@pytest.mark.parametrize("mode", MODES)
def test_surrounding_modes(mode):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(N, 16), nn.ReLU(), nn.Linear(16, 3)).eval()
    x = torch.randn(2, N)
    with MODES[mode]():
        expected = brute_force(model, x, target=1)
        exact = AndInteraction(model).interactions(x, target=1)
        sampled = ShapleyInteraction(model).interactions(x, target=1, n_samples=256)
        attributions = AndInteraction(model).attribute(x, target=1)
    rounding = 0.05 if mode == "autocast" else 1e-5
    assert_close(exact.dividends, moebius(expected), rtol=0, atol=rounding * 2**N)
    assert_close(exact.info.v_full, expected[..., -1], rtol=0, atol=rounding)
    assert_close(attributions.sum(1), (expected[..., -1] - expected[..., 0]).float(),
                 rtol=0, atol=2 * rounding)  # fmt: skip
    assert_close(sampled.attributions().sum(1), attributions.sum(1),
                 rtol=0, atol=4 * rounding)  # fmt: skip


def test_deterministic_mode():
    x = double(1, N)
    expected = brute_force(product, x)
    torch.use_deterministic_algorithms(True)
    try:
        assert_close(ModelGame(product, x).table(), expected)
    finally:
        torch.use_deterministic_algorithms(False)


def test_gradients_under_inference_mode():
    model = nn.Linear(3, 1).double()
    with torch.inference_mode():
        game = ModelGame(model, double(1, 3), target=0, gradients=True)
        table = game.table()
        assert table.requires_grad


def test_learning_baselines_under_inference_mode():
    from captum_interactions import LearnedBaselineShapley

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2)).eval()

    def fitted(mode):
        with mode():
            x = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
            seed = torch.Generator().manual_seed(0)
            method = LearnedBaselineShapley(model).fit(x, 1, steps=3, generator=seed)
            return method.attribute(x, target=1)

    expected = fitted(torch.enable_grad)
    for mode in (torch.no_grad, torch.inference_mode):
        assert_close(fitted(mode), expected)


# Kind B: rows that depend on each other


class MessagePassing(nn.Module):
    """Nodes (nodes, features) with a list of edges: the first axis is no batch."""

    def forward(self, x, edges):
        out = x.clone()
        out.index_add_(0, edges[1], x[edges[0]] * 2)
        return (out**2).sum(1)


def standardized(x):
    return ((x - x.mean(0)) / (x.std(0, unbiased=False) + 1)).sum(1) + x.prod(1)


def contrastive(x):
    z = x / (1 + x.norm(dim=1, keepdim=True))
    return z @ z.T + x.sum(1, keepdim=True)


def batch_norm():
    torch.manual_seed(0)
    return (
        nn.Sequential(nn.BatchNorm1d(N, track_running_stats=False), nn.Linear(N, 2))
        .double()
        .eval()
    )


def quantized():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(N, 32), nn.ReLU(), nn.Linear(32, 2)).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.ao.quantization.quantize_dynamic(model, {nn.Linear})


def one_hidden_state():
    torch.manual_seed(0)
    gru, state = nn.GRU(1, 4, batch_first=True).double(), double(1, 2, 4)
    return lambda x: gru(x.unsqueeze(-1), state)[0][:, -1]


def fixed_batch(x):
    if len(x) != 2:
        raise AssertionError("compiled for 2 rows")
    return x.prod(1)


DEPENDENT = {
    "a little": (lambda x: x.sum(1) + 1e-6 * x.mean(), 2, None),
    "mean over the batch": (lambda x: x.sum(1) - x.mean(), 2, None),
    "standardized": (standardized, 2, None),
    "maximum": (lambda x: (x - x.amax(0)).sum(1), 2, None),
    "softmax over the batch": (lambda x: x.sum(1).softmax(0), 2, None),
    "contrastive": (contrastive, 2, 0),
    "contrastive, all": (contrastive, 2, None),
    "batch norm": (batch_norm(), 2, 1),
    "quantized": (quantized(), 2, 1),
    "hidden state": (one_hidden_state(), 2, 1),
    "one size": (fixed_batch, 2, None),
    "first row": (lambda x: x.sum(1) + x[0, 0] ** 2, 2, None),
    "pooled": (lambda x: (x**2).mean(0, keepdim=True), 1, None),
    "sorted": (lambda x: x.sum(1).sort().values, 2, None),
}


@pytest.mark.filterwarnings("ignore:.*quantized engine.*")
@pytest.mark.parametrize("per_eval", [None, 16])
@pytest.mark.parametrize("kind", DEPENDENT)
def test_rows_that_depend_on_each_other(kind, per_eval):
    f, batch, target = DEPENDENT[kind]
    dtype = torch.float32 if kind == "quantized" else torch.float64
    x, base = double(batch, N).to(dtype), double(1, N, seed=1).to(dtype)
    expected = brute_force(f, x, base, target)
    for call in (lambda game: game.table(), lambda game: game(all_masks(N))):
        game = ModelGame(f, x, base, target, perturbations_per_eval=per_eval)
        with pytest.warns(UserWarning, match=r"Every coalition gets its own pass") as w:
            values = call(game)
        assert len(w) == 1
        assert_close(values, expected, rtol=0, atol=1e-6)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert_close(call(game), expected, rtol=0, atol=1e-6)


UNBATCHED = {
    "weights": ((3, N), lambda x, w: (x * w).sum(1), (double(N, seed=3),)),
    "weights as many as examples": (
        (N, N), lambda x, w: (x * w).sum(1), (double(N, seed=3),)
    ),
    "mask (1, T)": (
        (3, N), lambda x, m: (x * m).prod(1), (double(1, N, seed=3),)
    ),
    "matrix": ((N, N), lambda x, w: (x @ w).sum(1), (double(N, N, seed=3),)),
    "one number": ((1, N), lambda x, w: (x * w).prod(1), (double(1, seed=3),)),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:.*Every coalition gets its own pass")
@pytest.mark.parametrize("kind", UNBATCHED)
def test_arguments_that_are_not_batched(kind):
    shape, f, args = UNBATCHED[kind]
    x = double(*shape)
    got = ModelGame(f, x, additional_forward_args=args).table()
    assert_close(got, brute_force(f, x, args=args), rtol=0, atol=1e-9)


@pytest.mark.filterwarnings("ignore:.*Every coalition gets its own pass")
@pytest.mark.parametrize("nodes", [2, 5])
def test_a_graph_with_a_list_of_edges(nodes):
    x = double(nodes, 3)
    edges = torch.tensor([[0, 1, 1, 0], [1, 0, 1, 0]])
    mask = torch.arange(nodes * 3).view(nodes, 3) % 8
    game = ModelGame(MessagePassing(), x, additional_forward_args=edges,
                     feature_mask=mask)  # fmt: skip
    expected = brute_force(MessagePassing(), x, args=(edges,), mask=mask)
    assert_close(game.table(), expected)


def test_baselines_of_a_set_do_not_share_a_pass_if_they_must_not():
    x, samples = double(2, 4), double(3, 4, seed=1)
    each = [brute_force(standardized, x, samples[k : k + 1]) for k in range(3)]
    with pytest.warns(UserWarning, match="Every coalition"):
        got = ModelGame(standardized, x, BaselineSet(samples)).table()
    assert_close(got, torch.stack(each).mean(0), rtol=0, atol=1e-9)


def test_an_error_that_comes_by_chance_is_not_swallowed():
    calls = []

    def f(x):
        calls.append(len(x))
        if len(calls) == 3:
            raise KeyError("lost")
        return x.sum(1)

    with pytest.raises(KeyError, match="lost"):
        ModelGame(f, double(1, N)).table()


# Kind C: v is no function of the input


class Drops(nn.Module):
    """Functional dropout that nothing in its attributes tells of."""

    def forward(self, x):
        return nn.functional.dropout(x, 0.5, self.training).sum(1)


class Counts:
    """Keeps state from call to call."""

    def __init__(self):
        self.calls = 0

    def __call__(self, x):
        self.calls += 1
        return x.sum(1) * self.calls


class LastRow:
    """Adds what it saw last."""

    def __init__(self):
        self.last = 0.0

    def __call__(self, x):
        out = x.sum(1) + self.last
        self.last = x[-1, 0].item()
        return out


RANDOM = {
    "dropout made in forward": lambda x: nn.Dropout()(x).sum(1),
    "random initial state": lambda x: (x * torch.randn(1).double()).sum(1),
    "attention": lambda x: nn.functional.scaled_dot_product_attention(
        *(x.view(-1, 1, N, 1),) * 3, dropout_p=0.5
    ).sum((1, 2, 3)),
    "a row in fifty": lambda x: x.sum(1) + (torch.rand(len(x)) < 0.02),
    "numpy, a row in five": lambda x: (
        x.sum(1) + torch.from_numpy(np.random.rand(len(x)) < 0.2)  # noqa: NPY002
    ),
    "train mode": Drops().train(),
}


@pytest.mark.parametrize("per_eval", [None, 1, 16])
@pytest.mark.parametrize("kind", RANDOM)
def test_chance_is_named(kind, per_eval):
    np.random.seed(0)  # noqa: NPY002
    state = torch.get_rng_state()
    game = ModelGame(RANDOM[kind], double(1, N), perturbations_per_eval=per_eval)
    with pytest.raises(
        ValueError, match=r"`forward_func` .* draws random numbers"
    ) as e:
        game.table()
    assert torch.equal(torch.get_rng_state(), state)
    assert ("train mode" in str(e.value)) == (kind in "train mode")


def test_chance_is_named_where_arguments_and_outputs_are_many():
    def f(x, weights):
        return torch.stack([x.sum(1), x[:, 0]], 1) * weights + torch.rand(len(x), 1)

    for per_eval in (None, 1, 4):
        game = ModelGame(
            f,
            double(2, N),
            additional_forward_args=double(2, 2),
            perturbations_per_eval=per_eval,
        )
        with pytest.raises(ValueError, match=r"`forward_func` .* draws random numbers"):
            game.table()


def test_an_error_of_a_single_coalition_is_not_asked_again():
    calls = []

    def f(x):
        calls.append(len(x))
        if len(calls) == 9:
            raise RuntimeError("not this one")
        return x.sum(1)

    with pytest.raises(RuntimeError, match="not this one"):
        ModelGame(f, double(1, N), perturbations_per_eval=1).table()
    assert len(calls) == 9


@pytest.mark.parametrize("per_eval", [None, 1, 16])
@pytest.mark.parametrize("make", [Counts, LastRow])
def test_state_is_named(make, per_eval):
    game = ModelGame(make(), double(1, N), perturbations_per_eval=per_eval)
    with pytest.raises(ValueError, match=r"`forward_func` .* keeps state from call"):
        game.table()


def test_a_forward_that_seeds_itself_is_no_chance():
    def f(x):
        torch.manual_seed(3)
        return (x * torch.randn(N).double()).sum(1)

    state = torch.get_rng_state()
    x = double(1, N)
    table = ModelGame(f, x).table()
    assert torch.equal(torch.get_rng_state(), state)
    assert_close(table, brute_force(f, x))


@pytest.mark.parametrize(
    "model",
    [
        nn.LSTM(3, 4, num_layers=2, dropout=0.3),
        nn.GRU(3, 4, num_layers=2, dropout=0.3),
        nn.MultiheadAttention(4, 2, dropout=0.1),
        nn.TransformerEncoderLayer(4, 2),
        nn.RReLU(),
        nn.AlphaDropout(0.5),
    ],
)
def test_train_mode_in_any_module(model):
    wrapped = (
        model.train(),
        lambda x: model(x),
        functools.partial(model),
        nn.ModuleList([model]).forward,
    )
    for f in wrapped:
        with pytest.warns(UserWarning, match=r"train mode: dropout .* model.eval"):
            ModelGame(f, double(1, 4))
    model.eval()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for f in (*wrapped, nn.LSTM(3, 4, dropout=0.0).train(), nn.Dropout(0.0)):
            ModelGame(f, double(1, 4))


def test_a_forward_that_draws_nothing_rewinds_nothing():
    x = double(1, N)
    drawn = []

    def f(x):  # another thread that draws during every pass but the first
        if drawn or len(x) > 1:
            drawn.append(None)
            helper = threading.Thread(target=lambda: torch.rand(1))
            helper.start()
            helper.join()
        return x.sum(1)

    before = torch.get_rng_state()
    ModelGame(f, x).table()
    assert not torch.equal(torch.get_rng_state(), before)
    torch.set_rng_state(before)


# Memory


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't "
                     "allocate memory: you tried to allocate 4 bytes"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `x`"),
        RuntimeError("MPS backend out of memory (MPS allocated: 1 GB"),
        RuntimeError("CUDA out of memory. Tried to allocate"),
        OSError(12, "Cannot allocate memory"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("per_eval", [None, 64])
def test_memory_runs_out_in_any_words(error, per_eval):
    def f(x):
        if len(x) > 10:
            raise error
        return product(x)

    x = double(1, N)
    game = ModelGame(f, x, perturbations_per_eval=per_eval)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        table = game.table()
    assert_close(table, brute_force(product, x))
    assert len(caught) == (per_eval is not None)


def test_memory_runs_out_beside_a_store(tmp_path):
    from captum_interactions.games import evaluation

    most = []

    def f(x):
        if len(x) > 10:
            raise MemoryError
        most.append(len(x))
        return product(x)

    x = double(1, N)
    with evaluation(store=tmp_path):
        table = ModelGame(f, x).table()
    assert_close(table, brute_force(product, x))
    assert max(most) == 8


def test_outputs_count_in_the_memory_bound():
    most = []

    def f(x):
        most.append(len(x))
        return torch.zeros(len(x), 1 << 16).double()

    ModelGame(f, double(1, N), target=0).table()
    assert max(most) <= 1 << 7  # 2^26 bytes of 2^16 doubles


def test_a_missing_target_of_a_large_output():
    calls = []

    def f(x):
        calls.append(len(x))
        return torch.zeros(len(x), 40_000)

    with pytest.raises(ValueError, match=r"`target` must be given .* 40,000 .*GiB"):
        ModelGame(f, double(1, 14)).table()
    assert sum(calls) <= 2
