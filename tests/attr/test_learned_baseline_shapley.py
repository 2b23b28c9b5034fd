"""Learning baselines: what is found, what is reported, what is refused."""

from __future__ import annotations

import warnings

import pytest
import torch
from captum.attr import IntegratedGradients, ShapleyValues
from torch import nn
from torch.testing import assert_close
from torch.utils.data import DataLoader, TensorDataset

from captum_interactions import AndInteraction, LearnedBaselineShapley
from captum_interactions.games import log_odds
from tests import reference, toy_games

FAST = {"steps": 60, "batch_size": 16, "n_contexts": 4}


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def net(n_in=4, n_out=3, seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = nn.Sequential(nn.Linear(n_in, 16), nn.Tanh(), nn.Linear(16, n_out))
    return model.eval()


def data(rows=40, n=4, seed=1):
    return torch.randn(rows, n, generator=seeded(seed)) * torch.arange(1, n + 1)


def correct(baselines, label):
    wanted = torch.tensor([bit == "1" for bit in label])
    right = torch.where(wanted, baselines > 0.5, baselines < 0.5)
    return int(right.sum())


@pytest.mark.parametrize("name", toy_games.SLIDES)
@pytest.mark.parametrize("objective", ["shapley", "marginal"])
@pytest.mark.parametrize("init", [0.0, 0.5, 1.0])
def test_functions_of_the_slides(name, objective, init):
    f, printed, best = toy_games.SLIDES[name]
    n = len(best)
    x = torch.randint(0, 2, (256, n), generator=seeded(3)).float()
    fitted = LearnedBaselineShapley(f).fit(
        x,
        objective=objective,
        init=init,
        bounds=("abs", 0.0, 1.0),
        generator=seeded(),
        **FAST,
    )
    assert correct(fitted.baselines_[0], best) == n
    if printed != best:  # the slide's own label for S3 contradicts its loss
        assert correct(fitted.baselines_[0], printed) == 5


def slow_loss(f, x, baseline, orders, absolute_inside):
    """The loss of one example from the definitions."""
    n = len(x)

    def v(coalition):
        return f(torch.tensor([reference.masked(x, baseline, coalition)])).item()

    if absolute_inside:
        return sum(reference.marginal_order_strength(v, m, n) for m in orders)
    return sum(
        abs(reference.multi_order_shapley(v, i, m, n)) for m in orders for i in range(n)
    )


@pytest.mark.parametrize("objective", ["shapley", "marginal"])
def test_the_first_loss_and_the_profile_are_those_of_the_definition(objective):
    model, x = net(4, 1), data(5)

    def f(x):
        return model(x)[:, 0]

    fitted = LearnedBaselineShapley(f).fit(
        x, objective=objective, init=0.25, bounds=None, steps=1, n_contexts=8
    )
    rows = x.tolist()
    expected = [
        slow_loss(f, row, [0.25] * 4, [0, 1], objective == "marginal") for row in rows
    ]
    assert fitted.loss_history_[0] == pytest.approx(sum(expected) / 5, rel=1e-4)
    profile = fitted.order_profile_
    assert profile.orders == (0, 1, 2, 3)
    for m in profile.orders:
        for strength, baseline in (
            (profile.before, [0.25] * 4),
            (profile.after, fitted.baselines_[0].tolist()),
        ):
            expected = [slow_loss(f, row, baseline, [m], False) / 4 for row in rows]
            assert strength[m].item() == pytest.approx(sum(expected) / 5, rel=1e-4)
    assert "m = 0" in repr(profile)


def test_the_strength_of_low_orders_falls():
    model, x = net(8, 2), data(64, 8)
    fitted = LearnedBaselineShapley(log_odds(model)).fit(
        x, target=1, bounds=("sigma", 1.0), generator=seeded(), **FAST
    )
    before, after = fitted.order_profile_.before, fitted.order_profile_.after
    assert after[0] < 0.8 * before[0]
    assert (after / before).argmax() >= 4
    low, high = x.mean(0) - x.std(0, False), x.mean(0) + x.std(0, False)
    baseline = fitted.baselines_[0]
    assert bool(((baseline >= low - 1e-6) & (baseline <= high + 1e-6)).all())
    assert len(fitted.loss_history_) == 60
    assert fitted.converged_
    assert not fitted.at_example_.any()


def test_units_of_the_inputs_do_not_matter():
    """Steps and bounds are in standard deviations of each feature."""
    model, x = net(), data()
    scale = torch.tensor([1e-3, 1.0, 50.0, 1e4])

    def scaled(z):
        return model(z / scale)

    one = LearnedBaselineShapley(model).fit(x, 0, generator=seeded(), **FAST)
    two = LearnedBaselineShapley(scaled).fit(x * scale, 0, generator=seeded(), **FAST)
    gap = (two.baselines_ / scale - one.baselines_) / x.std(0)
    assert gap.abs().max() < 0.02


def test_any_captum_method_takes_the_baselines():
    model, x = net(), data()
    fitted = LearnedBaselineShapley(model).fit(x, 1, generator=seeded(), **FAST)
    assert fitted.baselines_.shape == (1, 4)
    got = IntegratedGradients(model).attribute(
        x[:3], baselines=fitted.baselines_, target=1
    )
    total = (model(x[:3]) - model(fitted.baselines_))[:, 1]
    assert_close(got.sum(1).float(), total, rtol=0, atol=0.05)
    expected = ShapleyValues(model).attribute(x[:3], fitted.baselines_, target=1)
    assert_close(fitted.attribute(x[:3], target=1), expected, rtol=1e-4, atol=1e-5)
    result = fitted.interactions(x[:3], target=1)
    same = AndInteraction(model).interactions(x[:3], fitted.baselines_, target=1)
    assert_close(result.values, same.values)
    others = fitted.attribute(x[:3], baselines=0.0, target=1)
    assert_close(others, AndInteraction(model).attribute(x[:3], target=1))


def test_players_of_the_fit_are_those_of_the_attribution():
    model, x = net(), data()
    mask = torch.tensor([[0, 0, 5, 7]])
    fitted = LearnedBaselineShapley(model).fit(
        x, 0, feature_mask=mask, generator=seeded(), **FAST
    )
    assert fitted.order_profile_.orders == (0, 1, 2)
    assert len(fitted.baselines_[0].unique()) == 4  # one value per element all the same
    got = fitted.interactions(x[:2], target=0)
    assert got.players.ids == (0, 5, 7)
    each = fitted.interactions(x[:2], target=0, feature_mask=torch.arange(4)[None])
    assert len(each.players) == 4


def test_several_inputs_and_arguments():
    def f(a, b, scale, power):
        return scale * (a[:, 0] * b[:, 0] + (a[:, 1] * b[:, 1]).tanh()) ** power

    a, b, scale = data(20, 2), data(20, 2, seed=5), torch.rand(20, generator=seeded())
    fitted = LearnedBaselineShapley(f).fit(
        (a, b), additional_forward_args=(scale, 2), generator=seeded(), **FAST
    )
    assert [tuple(t.shape) for t in fitted.baselines_] == [(1, 2), (1, 2)]
    got = fitted.attribute((a, b), additional_forward_args=(scale, 2))
    assert [t.shape for t in got] == [a.shape, b.shape]


def test_a_loader_learns_what_its_tensors_learn():
    model, x = net(), data(64)
    labels = torch.arange(64) % 3
    whole = LearnedBaselineShapley(model).fit(
        x, labels, generator=seeded(), steps=40, batch_size=64
    )
    loader = DataLoader(TensorDataset(x, labels), batch_size=64)
    loaded = LearnedBaselineShapley(model).fit(loader, generator=seeded(), steps=40)
    assert_close(loaded.baselines_, whole.baselines_, rtol=0, atol=1e-5)
    pieces = DataLoader(
        TensorDataset(x, labels), batch_size=24, shuffle=True, generator=seeded()
    )
    state = torch.get_rng_state()
    several = LearnedBaselineShapley(model).fit(pieces, generator=seeded(), steps=40)
    assert torch.equal(torch.get_rng_state(), state)
    assert several.baselines_.shape == (1, 4)
    assert several.loss_history_[-1] < several.loss_history_[0]


def test_one_baseline_per_example():
    model, x = net(), data(6)
    fitted = LearnedBaselineShapley(model).fit(
        x, [0, 1, 2, 0, 1, 2], per_example=True, generator=seeded(), steps=30
    )
    assert fitted.baselines_.shape == x.shape
    assert fitted.at_example_.shape == (6,)
    assert fitted.attribute(x, target=0).shape == x.shape
    # Baselines of their own don't know of each other.
    alone = LearnedBaselineShapley(model).fit(
        x, [0, 1, 2, 0, 1, 2], per_example=True, batch_size=2, steps=30
    )
    assert_close(alone.baselines_, fitted.baselines_, rtol=0, atol=1e-3)


def test_the_l1_norm_of_one_example_falls():
    model, x = net(6, 1, seed=4), data(1, 6)

    def f(x):
        return model(x)[:, 0]

    def l1(baselines):
        dividends = AndInteraction(f).interactions(x, baselines).values
        return dividends[..., 1:].abs().sum()

    fitted = LearnedBaselineShapley(f).fit(
        x,
        objective="l1_interaction",
        init="zero",
        bounds=("abs", -0.5, 0.5),
        learning_rate=0.1,
        generator=seeded(),
    )
    start, end = l1(0.0).item(), l1(fitted.baselines_).item()
    assert fitted.loss_history_[0] == pytest.approx(start, rel=1e-4)
    assert end < 0.8 * start
    assert fitted.baselines_.abs().max() <= 0.5
    assert not fitted.at_example_.any()


def test_the_authors_descent_step_by_step():
    """One step from a start outside the box: gradient, step, clamp."""
    model, x = net(3, 1), data(8, 3)

    def f(x):
        return model(x)[:, 0]

    mean, std = x.mean(0), x.std(0, unbiased=False)
    start = mean + torch.tensor([0.1, -0.2, 2.0]) * std
    fitted = LearnedBaselineShapley(f).fit(
        x, init=start, preset="paper", steps=1, learning_rate=0.5
    )
    # With n = 3 there is one order, m = 0, whose contexts are all empty.
    baseline = start.clone().requires_grad_()
    loss = 0.0
    for i in range(3):
        one = torch.where(torch.arange(3) == i, x, baseline)
        loss = loss + (f(one) - f(baseline.expand(8, 3))).abs().mean()
    loss.backward()
    stepped = start - 0.5 * baseline.grad
    expected = stepped.clamp(mean - 0.3 * std, mean + 0.3 * std)
    assert_close(fitted.baselines_[0], expected.detach(), rtol=0, atol=1e-5)
    assert fitted.loss_history_[0] == pytest.approx(loss.item(), rel=1e-5)


def test_an_axis_of_size_one_ties_the_baseline():
    embedding = nn.Embedding(20, 5, _weight=torch.randn(20, 5, generator=seeded()))
    head = net(15, 2)
    tokens = torch.randint(0, 20, (30, 3), generator=seeded(2))
    vectors = embedding(tokens).detach()
    mask = torch.arange(3).view(1, 3, 1)
    fitted = LearnedBaselineShapley(lambda e: head(e.flatten(1))).fit(
        vectors,
        1,
        feature_mask=mask,
        init=vectors.mean((0, 1), keepdim=True),
        generator=seeded(),
        **FAST,
    )
    assert fitted.baselines_.shape == (1, 3, 5)
    assert torch.equal(fitted.baselines_, fitted.baselines_[:, :1].expand(1, 3, 5))
    assert not torch.equal(fitted.baselines_[0, 0], vectors.mean((0, 1)))
    assert fitted.interactions(vectors[:2], target=1).values.shape == (2, 8)


def test_seeds_decide_and_nothing_is_left_behind():
    model, x = net(), data()
    model[0].bias.requires_grad_(False)
    model[0].weight.grad = torch.ones_like(model[0].weight)
    flags = [p.requires_grad for p in model.parameters()]
    before = [p.clone() for p in model.parameters()]
    copy, state = x.clone(), torch.get_rng_state()
    with torch.no_grad():
        first = LearnedBaselineShapley(model).fit(x, 0, generator=seeded(7), **FAST)
        assert not torch.is_grad_enabled()
    again = LearnedBaselineShapley(model).fit(x, 0, generator=seeded(7), **FAST)
    other = LearnedBaselineShapley(model).fit(x, 0, generator=seeded(8), **FAST)
    assert torch.equal(first.baselines_, again.baselines_)
    assert first.loss_history_ == again.loss_history_
    assert first.loss_history_ != other.loss_history_
    assert torch.equal(torch.get_rng_state(), state)
    assert [p.requires_grad for p in model.parameters()] == flags
    for now, then in zip(model.parameters(), before, strict=True):
        assert torch.equal(now, then)
    assert torch.equal(model[0].weight.grad, torch.ones_like(model[0].weight))
    assert model[2].weight.grad is None
    assert torch.equal(x, copy)
    assert not model.training
    assert not first.baselines_.requires_grad


def test_flags_come_back_after_an_error():
    model = net()
    calls = []

    def broken(module, args, output):
        calls.append(1)
        if len(calls) == 5:
            raise RuntimeError("out of luck")

    model.register_forward_hook(broken)
    with pytest.raises(RuntimeError, match="out of luck"):
        LearnedBaselineShapley(model).fit(data(), 0, **FAST)
    assert all(p.requires_grad for p in model.parameters())


def test_progress_reaches_its_total(capsys):
    LearnedBaselineShapley(net()).fit(data(), 0, steps=3, show_progress=True)
    assert "100%" in capsys.readouterr().err


def test_a_scalar_per_batch():
    model, x = net(3, 1), data(4, 3)
    each = LearnedBaselineShapley(lambda x: model(x)[:, 0]).fit(
        x[:1], init=0.5, bounds=("abs", -1.0, 1.0), steps=5
    )
    total = LearnedBaselineShapley(lambda x: model(x).sum()).fit(
        x[:1], init=0.5, bounds=("abs", -1.0, 1.0), steps=5
    )
    assert_close(total.baselines_, each.baselines_, rtol=0, atol=1e-5)
    with pytest.raises(ValueError, match="`forward_func` must be a function with one"):
        LearnedBaselineShapley(lambda x: model(x).sum()).fit(x, steps=2)


def test_a_baseline_that_becomes_the_example_is_reported():
    x = torch.tensor([[1.0, 1.0]])
    with pytest.warns(UserWarning, match="1 of 1 baselines have become the example"):
        fitted = LearnedBaselineShapley(lambda x: x.sum(1)).fit(
            x, init=0.0, bounds=("abs", 0.0, 2.0), max_order=0
        )
    assert fitted.at_example_.tolist() == [True]
    assert not fitted.converged_
    # The same function on several examples has a baseline of its own.
    several = torch.tensor([[1.0, 1.0], [2.0, 0.0], [0.0, 2.0]])
    LearnedBaselineShapley(lambda x: x.sum(1)).fit(several, init=0.5, max_order=0)


def test_a_flat_model_is_reported():
    with pytest.warns(UserWarning, match="the gradient was zero in every step"):
        LearnedBaselineShapley(lambda x: (x * 3).round().sum(1)).fit(data(), steps=12)


REFUSED = {
    "its own baseline": (
        data(1),
        {"init": "mean"},
        "`init` must be different from the example .* every loss is zero there",
    ),
    "its own baseline, given": (
        data(1),
        {"init": data(1), "bounds": ("abs", -9.0, 9.0)},
        "`init` must be different from the example",
    ),
    "rows all alike": (
        data(1).expand(5, 4),
        {},
        "`init` must be different from the example",
    ),
    "one of many": (
        data(5),
        {"per_example": True, "init": data(5)[2:3], "bounds": None},
        "`init` must be different from the example",
    ),
    "no deviation": (
        data(1),
        {"init": 0.0, "bounds": ("sigma", 1.0)},
        r"`bounds` must be \('abs', low, high\) or None where there is a single",
    ),
    "bounds that exclude the init": (
        data(),
        {"init": 3.0, "bounds": ("abs", -1.0, 1.0)},
        "`bounds` must be a range that contains the init, got 4 of 4 elements outside",
    ),
    "sigma that excludes the init": (
        data() + 100,
        {"init": "zero", "bounds": ("sigma", 0.5)},
        "`bounds` must be a range that contains the init",
    ),
    "swapped bounds": (
        data(),
        {"bounds": ("abs", 1.0, -1.0)},
        r"`bounds` must be \('abs', low, high\) with low ≤ high",
    ),
    "no bounds we know": (
        data(),
        {"bounds": ("range", 1.0)},
        r"`bounds` must be \('sigma', k\), \('abs', low, high\) or None",
    ),
    "bounds of another shape": (
        data(),
        {"bounds": ("abs", torch.zeros(3), torch.ones(3))},
        "`bounds` must broadcast to the baselines of shape",
    ),
    "negative sigma": (
        data(),
        {"bounds": ("sigma", -1.0)},
        r"`bounds` must be \('sigma', k\) with k > 0",
    ),
    "an init of another shape": (
        data(),
        {"init": torch.zeros(1, 3)},
        r"`init` must be finite and broadcastable to \(1, 4\), got shape \(1, 3\)",
    ),
    "an init that is not finite": (
        data(),
        {"init": float("nan") * torch.ones(1, 4)},
        "`init` must be finite",
    ),
    "an init we don't know": (
        data(),
        {"init": "blur"},
        "`init` must be 'mean', 'zero'",
    ),
    "two inits": (data(), {"init": (0.0, 1.0)}, "`init` must be one start per input"),
    "an unknown objective": (data(), {"objective": "l2"}, "`objective` must be one of"),
    "an unknown preset": (data(), {"preset": "best"}, "`preset` must be one of"),
    "an order too high": (
        data(),
        {"max_order": 4},
        r"`max_order` must be a context size in 0\.\.3, got 4",
    ),
    "a part too large": (
        data(),
        {"max_order": 1.5},
        r"`max_order` must be a part of n in \(0, 1\]",
    ),
    "no step": (data(), {"steps": 0}, "`steps` must be a positive integer"),
    "a step of no size": (
        data(),
        {"learning_rate": 0.0},
        "`learning_rate` must be positive",
    ),
    "too many players": (
        data(5, 30),
        {"objective": "l1_interaction"},
        "`inputs` have 30 players",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_is_refused_before_the_first_forward(case):
    x, options, message = REFUSED[case]
    calls = []

    def f(x):
        calls.append(x)
        return x.sum(1)

    with pytest.raises(ValueError, match=message):
        LearnedBaselineShapley(f).fit(x, **options)
    assert not calls


def test_bad_types():
    tokens = torch.randint(0, 9, (5, 3))
    method = LearnedBaselineShapley(lambda x: x.float().sum(1))
    with pytest.raises(
        TypeError, match=r"`inputs` must be floating point, got torch\.int64"
    ):
        method.fit(tokens)
    with pytest.raises(TypeError, match="`inputs` must be a tensor, a tuple"):
        method.fit([data()])
    with pytest.raises(TypeError, match="`init` must be 'mean', 'zero', a number"):
        method.fit(data(), init=[0.0])
    with pytest.raises(TypeError, match="`max_order` must be a number"):
        method.fit(data(), max_order="half")
    with pytest.raises(TypeError, match="`steps` must be an integer"):
        method.fit(data(), steps=2.5)


def test_loaders_that_do_not_serve():
    method = LearnedBaselineShapley(lambda x: x.sum(1))
    nothing = DataLoader(TensorDataset(torch.zeros(3, 2)), batch_size=4, drop_last=True)
    with pytest.raises(ValueError, match="DataLoader that yields at least one batch"):
        method.fit(nothing)
    changing = DataLoader([torch.zeros(2), torch.ones(3)], batch_size=1)
    with pytest.raises(ValueError, match=r"DataLoader whose inputs keep the shape"):
        method.fit(changing)
    four = DataLoader(TensorDataset(*[torch.zeros(3, 2)] * 4))
    with pytest.raises(ValueError, match=r"DataLoader of inputs, .* of 4 parts"):
        method.fit(four)
    fine = DataLoader(TensorDataset(data(8)), batch_size=4)
    with pytest.raises(TypeError, match="`target` must be None or the same output"):
        method.fit(fine, target=torch.zeros(8).long())
    with pytest.raises(TypeError, match="`inputs` must be tensors when `per_example`"):
        method.fit(fine, per_example=True)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: x.detach().sum(1),
        lambda x: x.sum(1).item() if len(x) == 1 else x.argmax(1),
        lambda x: torch.ones(len(x), requires_grad=True) * 2,
    ],
)
def test_a_model_without_gradient(f):
    with pytest.raises(ValueError, match="`forward_func` must be differentiable with"):
        LearnedBaselineShapley(f).fit(data())


def test_attribute_before_fit():
    method = LearnedBaselineShapley(net())
    with pytest.raises(ValueError, match="must be fitted first"):
        method.attribute(data(), target=0)
    for name in ("baselines_", "loss_history_", "order_profile_", "converged_"):
        with pytest.raises(ValueError, match="must be fitted first"):
            getattr(method, name)


def test_train_mode_warns():
    model = nn.Sequential(nn.Linear(4, 1), nn.Dropout(0.5)).train()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        LearnedBaselineShapley(model).fit(data(), 0, steps=1)
    assert any("dropout draws anew" in str(w.message) for w in caught)
    assert model.training
