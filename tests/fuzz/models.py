"""Forward functions with good and bad habits, and what may be expected of each.

Nothing here imports the package.
"""

from __future__ import annotations

import functools

import torch
from torch import nn

HIDDEN = 5  # more than the examples of any call


class Network:
    """A smooth function of all inputs and arguments, one row for each example.

    Args:
        sizes: Elements of each input.
        outputs: Output axes after the batch, ``None`` for one scalar for the batch.
        dtype: What is computed in.
        kinds: What each additional argument is, see ``calls.arguments``.
        draw: Source of the weights.
    """

    def __init__(self, sizes, outputs, dtype, kinds, draw):
        def weights(*shape):
            return torch.randn(shape, generator=draw).to(dtype)

        self.outputs, self.dtype = outputs, dtype
        self.weights = [weights(size, HIDDEN) for size in sizes]
        width = 1
        for size in outputs or ():
            width *= size
        self.out, self.mixed = weights(HIDDEN, width), weights(HIDDEN, width)
        self.n_inputs, self.kinds = len(sizes), kinds

    def __call__(self, *given):
        tensors, args = given[: self.n_inputs], given[self.n_inputs :]
        hidden = sum(
            x.flatten(1).to(self.dtype) @ w
            for x, w in zip(tensors, self.weights, strict=True)
        )
        for kind, arg in zip(self.kinds, args, strict=True):
            if kind == "table":
                hidden = hidden * arg["scale"]
            elif kind == "summed":
                hidden = hidden * arg.sum()
            elif torch.is_tensor(arg):
                hidden = hidden * arg
            elif kind == "number":
                hidden = hidden + arg
        first = hidden.tanh()
        out = first @ self.out + (first * first.roll(1, -1)) @ self.mixed
        if self.outputs is None:
            return out.sum()
        return out.reshape(len(out), *self.outputs)


class Habit:
    """Wraps a network; a subclass says what it does beside answering."""

    def __init__(self, network):
        self.network = network
        self.calls = 0
        self.memory = {}

    def __call__(self, *given):
        self.calls += 1
        return self.run(*given)

    def run(self, *given):
        return self.network(*given)


def habit(run):
    """A habit from what it does with the habit's own self and the given tensors."""
    return type(run.__name__, (Habit,), {"run": run})


def floating(x):
    return x if x.is_floating_point() else x.float()


def writes(how):
    def run(self, *given):
        out = self.network(*given).clone()
        for x in given:
            if torch.is_tensor(x) and x.dim():
                how(x)
        return out

    return habit(run)


def remembers_last(self, x, *rest):
    if self.memory.get("x") is not x:
        self.memory = {"x": x, "out": self.network(x, *rest)}
    return self.memory["out"]


def one_buffer(self, *given):
    out = self.network(*given)
    kept = self.memory.setdefault("out", out.new_zeros(1 << 16))
    view = kept[: out.numel()].view(out.shape)
    return view.copy_(out)


def view_of_input(self, x, *rest):
    return floating(x).flatten(1)[:, 0]


def keeps_outputs(self, *given):
    out = self.network(*given)
    self.memory[self.calls] = out
    if self.calls > 1:
        self.memory[self.calls - 1].zero_()
    return out


def centers(self, x, *rest):
    x = floating(x)
    return self.network(x - x.mean(0), *rest)


def scales(self, x, *rest):
    x = floating(x)
    return self.network(x / (1 + x.abs().amax()), *rest)


def neighbor(self, *given):
    out = self.network(*given)
    return out + 0.01 * out.roll(1, 0)


def last_row(self, *given):
    out = self.network(*given)
    return torch.cat([out[:-1], out[-1:] + out.mean(0, keepdim=True)])


def position(self, *given):
    out = self.network(*given)
    place = torch.arange(len(out), dtype=out.dtype) / 50
    return out + place.reshape(-1, *(1,) * (out.dim() - 1))


def large_batch(self, *given):
    out = self.network(*given)
    return out + (out - out.mean(0)) * (len(out) > 16)


def reorders(self, *given):
    out = self.network(*given)
    return out[out.reshape(len(out), -1).sum(1).argsort()]


def counts(self, *given):
    return self.network(*given) * (1 + 0.01 * self.calls)


def alternates(self, *given):
    return self.network(*given) + 0.05 * (self.calls % 3)


def draws(self, *given):
    out = self.network(*given)
    return out + 0.01 * torch.randn(out.shape).to(out)


def rarely_draws(self, *given):
    out = self.network(*given)
    noise = torch.rand(out.shape) < 0.05
    return out + noise.to(out)


def drifts(self, *given):
    out = self.network(*given)
    old = self.memory.get("mean", 0)
    self.memory["mean"] = 0.9 * old + 0.1 * out.mean()
    return out - old


def single_only(self, *given):
    size = self.memory.setdefault("size", len(given[0]))
    if len(given[0]) != size:
        raise RuntimeError(f"expected a batch of {size}, got {len(given[0])}")
    return self.network(*given)


def hidden_state(self, *given):
    out = self.network(*given)
    size = self.memory.setdefault("state", torch.zeros(len(given[0])))
    return out + size.reshape(-1, *(1,) * (out.dim() - 1)).to(out)


def whole_numbers(self, *given):
    """Rounding to them must not hang on the last bits, so those are rounded off."""
    return (self.network(*given).double() * 8).round(decimals=1).round().long()


def decides(self, *given):
    return self.network(*given) > 0


def offset(self, *given):
    return self.network(*given) + 1000.0


class TrainDropout(nn.Module):
    """A module left in train mode."""

    def __init__(self, network):
        super().__init__()
        self.network = network
        self.drop = nn.Dropout(0.5)

    def forward(self, x, *rest):
        return self.network(self.drop(floating(x)), *rest)


class FunctionalDropout(nn.Module):
    """Drops by a functional that follows the module's mode."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x, *rest):
        x = nn.functional.dropout(floating(x), 0.3, self.training)
        return self.network(x, *rest)


class EvalNorm(nn.Module):
    """Batch norm without running statistics, in eval mode."""

    def __init__(self, network):
        super().__init__()
        self.network = network
        self.norm = nn.BatchNorm1d(HIDDEN, track_running_stats=False, affine=False)
        self.double().eval()

    def forward(self, x, *rest):
        out = self.network(x, *rest)
        wide = out.double().reshape(len(out), -1).mean(1, keepdim=True)
        both = torch.cat([wide] * HIDDEN, 1)
        if len(both) > 1:
            both = self.norm(both)
        return out + both[:, 0].reshape(-1, *(1,) * (out.dim() - 1)).to(out)


def numpy_write(x):
    if x.dtype != torch.bfloat16:  # which numpy doesn't have
        x.detach().numpy().fill(1)


def cached(network):
    """A forward function with a cache, which dictionaries can't be keys of."""
    own = Habit(network).run
    return own if "table" in network.kinds else functools.lru_cache(own)


# Values are those of brute force.
HARMLESS = {
    "plain": Habit,
    "numpy write": writes(numpy_write),
    ".data write": writes(lambda x: x.data.zero_()),
    "zero_": writes(lambda x: x.detach().zero_()),
    "set_": writes(lambda x: x.detach().set_(x.new_zeros(1))),
    "remembers": habit(remembers_last),
    "lru_cache": cached,
    "one buffer": habit(one_buffer),
    "view of input": habit(view_of_input),
    "keeps outputs": habit(keeps_outputs),
    "whole numbers": habit(whole_numbers),
    "decides": habit(decides),
    "offset": habit(offset),
}
# Right only with one coalition per pass: those values, or a refusal.
ONE_PER_PASS = {
    "centers": habit(centers),
    "scales": habit(scales),
    "neighbor": habit(neighbor),
    "last row": habit(last_row),
    "position": habit(position),
    "large batch": habit(large_batch),
    "reorders": habit(reorders),
    "single batch": habit(single_only),
    "hidden state": habit(hidden_state),
    "eval norm": EvalNorm,
}
# v(S) is no function of S: a refusal, or a warning.
NO_FUNCTION = {
    "counts": habit(counts),
    "alternates": habit(alternates),
    "draws": habit(draws),
    "rarely draws": habit(rarely_draws),
    "drifts": habit(drifts),
    "train dropout": TrainDropout,
    "functional dropout": FunctionalDropout,
}
HABITS = HARMLESS | ONE_PER_PASS | NO_FUNCTION

# What a forward function itself may raise: nobody's argument is at fault.
OWN_ERRORS = "unhashable type", "unsupported ScalarType"
