"""The contract every attribution class keeps; subclasses say which class it is.

A subclass sets ``method`` and, where a call needs them, ``options``. Attributions are
compared with the Shapley value of a game that is evaluated here with plain loops, one
example and one coalition at a time.
"""

from __future__ import annotations

import copy
import warnings
from typing import ClassVar

import pytest
import torch
from captum.attr import NoiseTunnel, visualization
from captum.metrics import infidelity, sensitivity_max
from torch import nn
from torch.testing import assert_close

from tests import reference

PER_EVAL = [1, 7, None]


class TwoInputs(nn.Module):
    """Two inputs, an additional argument of each kind, two outputs."""

    def forward(self, a, b, scale, shift):
        hidden = a[:, 0] * b[:, 1].sigmoid() + torch.relu(a[:, 1] + b[:, 0] * b[:, 2])
        hidden = hidden + (a[:, 2] * b[:, 1] * shift).tanh() * scale
        return torch.stack([hidden, hidden * b[:, 0] - a[:, 1]], dim=1)


class Mlp(nn.Module):
    def __init__(self, n_in=4, n_out=2):
        super().__init__()
        generator = torch.Generator().manual_seed(3)
        self.layers = nn.Sequential(nn.Linear(n_in, 8), nn.Tanh(), nn.Linear(8, n_out))
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=generator))
        self.double().eval()

    def forward(self, x):
        return self.layers(x)


def double(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def slow_game(f, inputs, baselines, masks, example, args=(), output=()):
    """Return v(S) of one example, evaluated on a batch of one."""

    def row(tensor):
        return tensor[min(example, len(tensor) - 1)]

    def v(coalition):
        masked = []
        for x, b, mask in zip(inputs, baselines, masks, strict=True):
            features, players = row(x).clone(), row(mask).expand_as(row(x))
            for index in torch.cartesian_prod(
                *[torch.arange(size) for size in features.shape]
            ).reshape(features.numel(), -1):
                index = tuple(index.tolist())
                if players[index].item() not in coalition:
                    features[index] = row(b).expand_as(features)[index]
            masked.append(features.unsqueeze(0))
        extra = [
            arg[example : example + 1] if torch.is_tensor(arg) and arg.dim() else arg
            for arg in args
        ]
        return f(*masked, *extra)[(0, *output)].item()

    return v


def slow_attributions(f, inputs, baselines, masks, args=(), outputs=None):
    """Shapley values of every example, spread over the input elements."""
    ids = sorted({int(i) for mask in masks for i in mask.unique()})
    position = {player: i for i, player in enumerate(ids)}
    out = [torch.zeros(x.shape, dtype=torch.float64) for x in inputs]
    for example in range(len(inputs[0])):
        output = () if outputs is None else (outputs[example],)
        v = slow_game(f, inputs, baselines, masks, example, args, output)

        def renamed(coalition, v=v):
            return v({ids[i] for i in coalition})

        values = [
            reference.shapley_value(renamed, i, len(ids)) for i in range(len(ids))
        ]
        for target, mask in zip(out, masks, strict=True):
            players = mask[min(example, len(mask) - 1)].expand_as(target[example])
            for player, i in position.items():
                target[example][players == player] = values[i]
    return tuple(out)


class AttributionContract:
    """Inherit as ``class TestX(AttributionContract)`` and set ``method``."""

    method: ClassVar
    absent: ClassVar[float] = 0.0  # what stands for absence unless baselines are given
    options: ClassVar[dict] = {}

    def attribute(self, f, *args, **kwargs):
        return type(self).method(f).attribute(*args, **kwargs, **self.options)

    def interactions(self, f, *args, **kwargs):
        return type(self).method(f).interactions(*args, **kwargs, **self.options)

    @pytest.mark.parametrize("per_eval", PER_EVAL)
    def test_two_inputs_with_a_shared_player_and_every_kind_of_argument(self, per_eval):
        a, b = double(2, 3), double(2, 3, seed=1)
        base_a, base_b = double(2, 3, seed=2), double(1, 3, seed=3)
        masks = (torch.tensor([[4, 9, 4]]), torch.tensor([[20, 9, 31], [31, 20, 9]]))
        args = (2.5, double(2, seed=4))
        call = {
            "baselines": (base_a, base_b),
            "target": [1, 0],
            "additional_forward_args": args,
            "feature_mask": masks,
        }
        got = self.attribute(
            TwoInputs(), (a, b), **call, perturbations_per_eval=per_eval
        )
        expected = slow_attributions(
            TwoInputs(), (a, b), (base_a, base_b), masks, args, outputs=[1, 0]
        )
        assert isinstance(got, tuple)
        for g, e in zip(got, expected, strict=True):
            assert_close(g, e, rtol=0, atol=1e-9)

    @pytest.mark.parametrize("per_eval", PER_EVAL)
    def test_scalar_per_batch(self, per_eval):
        x, model = double(3, 4), Mlp()
        if per_eval == 7:
            with pytest.raises(
                ValueError, match="`perturbations_per_eval` must be 1 or"
            ):
                self.attribute(
                    lambda x: model(x).sum(), x, perturbations_per_eval=per_eval
                )
            return
        for f in (
            lambda x: model(x).sum(),
            lambda x: model(x).sum().reshape(1),
            lambda x: model(x).sum().item(),
        ):
            got = self.attribute(f, x, perturbations_per_eval=per_eval)
            assert got.shape == (1, 4)
            each = self.attribute(lambda x: model(x).sum(1), x)
            assert_close(got, each.sum(0, keepdim=True), rtol=0, atol=1e-9)

    def test_scalar_per_batch_of_a_single_example(self):
        x, model = double(1, 4), Mlp()
        got = self.attribute(lambda x: model(x).sum().reshape(1), x)
        assert_close(got, self.attribute(lambda x: model(x).sum(1), x))

    def test_all_outputs_without_target(self):
        x, model = double(3, 4), Mlp()
        got = self.attribute(model, x)
        assert got.shape == (3, 2, 4)
        for target in (0, 1):
            assert_close(got[:, target], self.attribute(model, x, target=target))
        wide = self.attribute(lambda x: model(x).reshape(-1, 2, 1), x)
        assert wide.shape == (3, 2, 1, 4)

    def test_targets_in_all_forms(self):
        x, model = double(2, 4), Mlp()
        both = self.attribute(model, x)
        expected = torch.stack([both[0, 1], both[1, 0]])
        for target in ([1, 0], torch.tensor([1, 0]), [(1,), (0,)]):
            assert_close(self.attribute(model, x, target=target), expected)
        for target in (1, (1,), torch.tensor(1), torch.tensor([1])):
            assert_close(self.attribute(model, x, target=target), both[:, 1])

    def test_a_batch_is_its_examples(self):
        x, model = double(3, 4), Mlp()
        batch = self.attribute(model, x, target=1)
        for i in range(3):
            one = self.attribute(model, x[i : i + 1], target=1)
            assert_close(batch[i : i + 1], one, rtol=0, atol=1e-12)

    def test_interactions_and_attribute_agree(self):
        x, model = double(2, 4), Mlp()
        result = self.interactions(model, x, target=1)
        assert_close(result.attributions(), self.attribute(model, x, target=1))
        assert result.efficiency_gap.abs().max() < 1e-9
        assert result.n_evaluations == 16
        assert type(result).__name__ in repr(result)

    def test_one_player_gets_everything(self):
        x, model = double(2, 4), Mlp()
        mask = torch.zeros(1, 1, dtype=torch.long)
        got = self.attribute(model, x, target=0, feature_mask=mask)
        total = (model(x) - model(torch.full_like(x, self.absent)))[:, 0].detach()
        assert_close(got, total.unsqueeze(1).expand(2, 4))

    def test_tuple_in_tuple_out(self):
        x, model = double(2, 4), Mlp()
        got = self.attribute(model, (x,), target=0)
        assert isinstance(got, tuple)
        assert_close(got[0], self.attribute(model, x, target=0))

    def test_dtype_and_grad_follow_the_model(self):
        x = double(2, 4).float().requires_grad_()
        got = self.attribute(Mlp().float(), x, target=0)
        assert got.dtype == torch.float32
        assert not got.requires_grad
        assert torch.is_grad_enabled()

    def test_integer_inputs(self):
        table = double(10, seed=5)
        tokens = torch.tensor([[3, 7, 1], [9, 9, 2]])

        def f(tokens):
            return table[tokens].prod(1)

        got = self.attribute(f, tokens, 5)
        expected = slow_attributions(
            f, (tokens,), (torch.tensor([[5, 5, 5]]),), (torch.tensor([[0, 1, 2]]),)
        )
        assert_close(got, expected[0], rtol=0, atol=1e-9)

    def test_boolean_inputs(self):
        flags = torch.tensor([[True, False, True]])
        got = self.attribute(lambda t: t.double().sum(1) ** 2, flags)
        assert_close(got, torch.tensor([[2.0, 0.0, 2.0]]).double())

    def test_nan_inputs_stay_where_they_are(self):
        x = torch.tensor([[1.0, float("nan"), 2.0]]).double()
        got = self.attribute(lambda x: x[:, 0] * x[:, 2], x)
        expected = slow_attributions(
            lambda x: x[:, 0] * x[:, 2],
            (x,),
            (torch.full_like(x, self.absent),),
            (torch.tensor([[0, 1, 2]]),),
        )
        assert_close(got, expected[0])

    def test_nothing_is_left_behind(self):
        model = nn.Sequential(nn.Linear(4, 2), nn.Dropout(0.5)).double()
        model.train()
        x, base = double(2, 4), double(2, 4, seed=1)
        before = [t.clone() for t in (x, base, *model.parameters())]
        state = torch.get_rng_state()
        with pytest.warns(UserWarning, match="dropout draws anew for every coalition"):
            self.attribute(model, x, base, target=0)
        assert torch.equal(torch.get_rng_state(), state)
        assert model.training
        assert not model[0]._forward_hooks
        for now, then in zip((x, base, *model.parameters()), before, strict=True):
            assert torch.equal(now, then)
            assert now.grad is None

    def test_a_forward_that_raises_changes_nothing(self):
        calls = []

        def f(x):
            calls.append(len(x))
            torch.rand(3)
            if len(calls) == 3:
                raise RuntimeError("out of luck")
            return x.sum(1)

        x = double(2, 5)
        before, state = x.clone(), torch.get_rng_state()
        with pytest.raises(RuntimeError, match="out of luck"):
            self.attribute(f, x, perturbations_per_eval=2)
        assert torch.equal(x, before)
        assert torch.equal(torch.get_rng_state(), state)
        assert torch.is_grad_enabled()

    def test_a_copy_with_another_forward_function(self):
        x, model = double(2, 4), Mlp()
        method = type(self).method(model)
        method.attribute(x, target=0, **self.options)
        other = copy.copy(method)
        other.forward_func = lambda x: 2 * model(x)
        got = other.attribute(x, target=0, **self.options)
        assert_close(got, 2 * method.attribute(x, target=0, **self.options))

    def test_relabeled_players(self):
        x, model = double(2, 4), Mlp()
        first = self.attribute(
            model, x, target=0, feature_mask=torch.tensor([[0, 1, 2, 3]])
        )
        second = self.attribute(
            model, x, target=0, feature_mask=torch.tensor([[8, 2, 5, 0]])
        )
        assert_close(first, second, rtol=0, atol=1e-12)

    def test_noise_tunnel_and_captum_metrics(self):
        x, model = double(2, 4), Mlp()
        method = type(self).method(model)
        smooth = NoiseTunnel(method).attribute(
            x, nt_samples=3, stdevs=0.0, target=0, **self.options
        )
        plain = self.attribute(model, x, target=0)
        assert_close(smooth, plain, rtol=0, atol=1e-9)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            score = infidelity(
                model, lambda x: (0 * x, x), x, plain, target=0, n_perturb_samples=2
            )
            spread = sensitivity_max(
                method.attribute, x, lambda x, r: x, target=0, **self.options
            )
        assert score.shape == (2,)
        assert_close(spread, torch.zeros_like(spread), rtol=0, atol=1e-9)

    def test_captum_draws_the_attributions(self):
        import matplotlib

        matplotlib.use("agg")
        image = double(1, 1, 4, 4)
        mask = (torch.arange(4) // 2)[:, None] * 2 + torch.arange(4) // 2
        got = self.attribute(
            lambda x: x.flatten(1).prod(1).exp(), image, feature_mask=mask
        )
        figure, _ = visualization.visualize_image_attr(
            got[0].permute(1, 2, 0).numpy(), use_pyplot=False, sign="all"
        )
        assert figure is not None

    def test_scripted_and_parallel_models(self):
        x, model = double(2, 4), Mlp()
        expected = self.attribute(model, x, target=1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of torch.jit itself
            scripted = torch.jit.trace(model, x)
        for wrapped in (scripted, nn.DataParallel(model)):
            assert_close(self.attribute(wrapped, x, target=1), expected)

    def test_progress_reaches_its_total(self, capsys):
        x, model = double(2, 4), Mlp()
        for per_eval in (3, None):
            self.attribute(
                model, x, target=0, perturbations_per_eval=per_eval, show_progress=True
            )
            shown = capsys.readouterr().err
            assert "100%" in shown
            assert type(self).method(model).get_name() in shown
        self.attribute(model, x, target=0)
        assert capsys.readouterr().err == ""

    def test_file_and_back(self, tmp_path):
        x, model = double(2, 4), Mlp()
        result = self.interactions(model, (x,), target=0).named(["a", "b", "c", "d"])
        result.save(tmp_path / "result")
        loaded = type(result).load(tmp_path / "result")
        assert_close(loaded.values, result.values, rtol=0, atol=0)
        assert_close(loaded.attributions(), result.attributions(), rtol=0, atol=0)
        assert loaded.players.names == ("a", "b", "c", "d")
        assert repr(loaded) == repr(result)
        assert loaded.n_evaluations == result.n_evaluations
