"""The composable attack against attacks written image by image."""

from __future__ import annotations

import warnings
from inspect import signature
from itertools import pairwise

import pytest
import torch
from captum.robust import PGD, AttackComparator, MinParamPerturbation
from scipy.signal import convolve2d
from torch import nn
from torch.nn.functional import cross_entropy
from torch.testing import assert_close

from captum_interactions.robust import (
    PRESETS,
    AttackPart,
    InputDiversity,
    InteractionReduction,
    Momentum,
    NoiseAverage,
    SkipGradient,
    TransferAttack,
    TranslationInvariance,
)
from captum_interactions.robust._gradients import (
    Diversity,
    diversify,
    draw_units,
    project,
    random_start,
    smooth,
)
from captum_interactions.robust.part import PLACES
from tests.losses.models import Function, Residual, conv_net
from tests.robust import plain

EXACT = {"rtol": 0, "atol": 0}
CLOSE = {"rtol": 1e-9, "atol": 1e-9}
LABELS = torch.tensor([0, 3, 1])
BRANCHES = ["block.branch"]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def images(batch=3):
    return torch.rand(batch, 1, 6, 6, generator=seeded(7), dtype=torch.float64)


def network():
    """Images to five logits, curved enough for interactions, with a residual block."""
    torch.manual_seed(11)
    net = nn.Sequential()
    net.add_module("conv", nn.Conv2d(1, 4, 3))
    net.add_module("act", nn.Tanh())
    net.add_module("flat", nn.Flatten())
    net.add_module("block", Residual(64))
    net.add_module("fc", nn.Linear(64, 5))
    net.fc.weight.data *= 5
    return net.double().eval()


def attacked(net, x, labels, loss="cross_entropy", parts=(), **options):
    attack = TransferAttack(net, loss, parts=parts, generator=seeded())
    numbers = {"radius": 0.3, "step_size": 0.05, "step_num": 8, **options}
    return attack.trajectory(x, target=labels, **numbers)


DEGENERATE = {
    "plain": [],
    "momentum 0": [Momentum(0.0)],
    "no noise": [NoiseAverage(4, 0.0)],
    "gamma 1": [SkipGradient(1.0)],
    "kernel of 1": [TranslationInvariance(1)],
    "never diverse": [InputDiversity(0.0, 2.0)],
    "lambda 0": [InteractionReduction(0.0, sets=3)],
}


@pytest.mark.parametrize("targeted", [False, True])
@pytest.mark.parametrize("parts", DEGENERATE.values(), ids=DEGENERATE.keys())
def test_degenerate_parts_are_plain_pgd_step_by_step(parts, targeted):
    net, x = network(), images()
    options = {"parts": parts, "mask": torch.ones(1)}
    states = attacked(net, x, LABELS, targeted=targeted, **options)
    for i, label in enumerate(LABELS):
        expected = plain.pgd(net, x[i], label, 0.3, 0.05, 8, targeted=targeted)
        assert_close(states[:, i], expected, **EXACT)
    l2 = attacked(
        net, x, LABELS, targeted=targeted, norm="L2", radius=1.0, step_size=0.3,
        **options,
    )  # fmt: skip
    for i, label in enumerate(LABELS):
        expected = plain.pgd(net, x[i], label, 1.0, 0.3, 8, "L2", targeted)
        assert_close(l2[:, i], expected, **CLOSE)


ALL_PARTS = [
    Momentum(1.0),
    NoiseAverage(3, 0.05),
    SkipGradient(0.5, BRANCHES),
    TranslationInvariance(3),
    InputDiversity(0.7, 1.5),
    InteractionReduction(1.0, sets=4),
]
CHOSEN = {type(part).__name__: [part] for part in ALL_PARTS} | {
    "none": [],
    "all": ALL_PARTS,
}


@pytest.mark.parametrize("norm", ["Linf", "L2"])
@pytest.mark.parametrize("name", CHOSEN)
def test_batched_is_one_by_one(name, norm):
    # One third of the batch must not see another: a re-implementation elsewhere
    # writes its grid mask to the first image only.
    options = {"parts": CHOSEN[name], "norm": norm, "random_start": True}
    net, x = network(), images()
    states = attacked(net, x, LABELS, **options)
    assert not torch.equal(states[-1], x)
    for i in range(3):
        alone = attacked(net, x[i : i + 1], LABELS[i : i + 1], **options)
        assert_close(states[:, i], alone[:, 0], **CLOSE)


def test_the_order_of_the_list_does_not_matter():
    net, x = network(), images()
    first = attacked(net, x, LABELS, parts=ALL_PARTS)
    assert_close(attacked(net, x, LABELS, parts=ALL_PARTS[::-1]), first, **EXACT)


def test_momentum():
    net, x = network(), images()
    states = attacked(net, x, LABELS, parts=[Momentum(0.9)])
    for i, label in enumerate(LABELS):
        expected = plain.momentum(net, x[i], label, 0.3, 0.05, 8, 0.9)
        assert_close(states[:, i], expected, **EXACT)


def test_noise_is_averaged():
    net, x = network(), images()
    states = attacked(net, x, LABELS, parts=[NoiseAverage(3, 0.2)])
    generator = seeded()
    for step in range(8):
        noise = torch.randn(3, 1, 1, 6, 6, generator=generator).double()
        for i, label in enumerate(LABELS):
            grad = sum(
                plain.gradient_of(
                    lambda z, k=k, noise=noise, label=label: cross_entropy(
                        net(z[None] + 0.2 * noise[k]), label[None]
                    ),
                    states[step, i],
                )
                for k in range(3)
            )
            expected = plain.moved(x[i], states[step, i], grad, 0.3, 0.05)
            assert_close(states[step + 1, i], expected, **CLOSE)


def test_smoothing_is_a_convolution_with_a_gaussian():
    gradient = torch.randn(2, 3, 7, 8, dtype=torch.float64)
    line = torch.exp(-(torch.linspace(-3, 3, 5, dtype=torch.float64) ** 2) / 2)
    kernel = torch.outer(line, line)
    got = smooth(gradient, 5)
    for b in range(2):
        for c in range(3):
            expected = convolve2d(gradient[b, c], kernel / kernel.sum(), mode="same")
            assert_close(got[b, c], torch.from_numpy(expected), **CLOSE)


@pytest.mark.parametrize("gamma", [0.0, 0.2, 1.0, 2.0])
def test_skip_gradient_is_one_plus_gamma_times_the_branch(gamma):
    net = nn.Sequential(Residual(4), nn.Linear(4, 3)).double()
    x = torch.randn(1, 4, dtype=torch.float64)
    parts = [SkipGradient(gamma)]
    attack = TransferAttack(net, "margin", parts=parts, skip_modules=["0.branch"])
    # One L2 step on a long leash shows the direction of the gradient.
    got = attack.perturb(x, 9.0, 1.0, 1, 0, norm="L2") - x
    logits = net(x)[0]
    rival = 1 + int(logits[1:].argmax())
    above = net[1].weight[rival] - net[1].weight[0]
    jacobian = torch.eye(4).double() + gamma * net[0].branch.weight * (x > 0)
    expected = above @ jacobian
    assert_close(got[0], (expected / expected.norm()).detach(), **CLOSE)
    assert not net[0].branch._forward_hooks


def test_skip_gradient_of_a_compiled_model():
    net = nn.Sequential(Residual(4), nn.Linear(4, 3)).double()
    compiled = torch.compile(net, backend="eager")
    x = torch.randn(2, 4, dtype=torch.float64)
    compiled(x)
    states = [
        TransferAttack(model, parts=[SkipGradient(0.0, ["0.branch"])]).perturb(
            x, 0.3, 0.1, 5, torch.tensor([0, 1]), norm="L2"
        )
        for model in (net, compiled)
    ]
    assert_close(*states, **CLOSE)


@pytest.mark.parametrize("targeted", [False, True])
@pytest.mark.parametrize("loss", ["cross_entropy", "margin"])
@pytest.mark.parametrize("weight", [0.7, torch.inf])
def test_interaction_term_is_the_definition(weight, loss, targeted):
    net, x = network(), images()
    units = torch.arange(36).reshape(1, 6, 6) // 4  # nine units
    states = attacked(
        net, x, LABELS, loss, [InteractionReduction(weight, 0.3, 3)],
        feature_mask=units, step_num=4, targeted=targeted,
    )  # fmt: skip
    generator, sign = seeded(), -1 if targeted else 1
    for step in range(4):
        if step == 0 and weight == torch.inf:
            # ∇G is zero at δ = 0, up to rounding.
            draw_units(9, 0.3, 3, generator)
            continue
        sets = draw_units(9, 0.3, 3, generator)
        assert (sets.sum(-1) == 3).all()
        for i, label in enumerate(LABELS):
            logits = net(states[step, i][None])[0].clone()
            logits[label] = -torch.inf
            rival = int(logits.argmax())

            def margin(z, label=label, rival=rival):
                logits = net(z[None])[0]
                return logits[rival] - logits[label]

            def objective(z, label=label, margin=margin, i=i, sets=sets):
                own = (
                    margin(z)
                    if loss == "margin"
                    else cross_entropy(net(z[None]), label[None])
                )
                mean = sum(
                    plain.group_interaction(
                        margin, x[i], z, units, members.nonzero()[:, 0].tolist()
                    )
                    for members in sets
                ) / len(sets)
                if weight == torch.inf:
                    return -sign * mean
                return sign * (own - weight * mean)

            grad = plain.gradient_of(objective, states[step, i])
            expected = plain.moved(x[i], states[step, i], grad, 0.3, 0.05)
            assert_close(states[step + 1, i], expected, **CLOSE)


def test_first_step_with_the_interaction_term_is_plain():
    net, x = network(), images()
    with_term = attacked(net, x, LABELS, parts=[InteractionReduction(3)], step_num=2)
    without = attacked(net, x, LABELS, step_num=2)
    assert_close(with_term[1], without[1], **EXACT)
    assert not torch.equal(with_term[2], without[2])


@pytest.mark.parametrize("norm", ["Linf", "L2"])
def test_interaction_term_of_a_quadratic_game(norm):
    # v(S) = g·δ_S + δ_S'Hδ_S/2 gives G(A) = Σ_{a∈A, b∉A} δ_a H_ab δ_b.
    n = 6
    g = torch.randn(n, dtype=torch.float64)
    h = torch.randn(n, n, dtype=torch.float64)
    h = h + h.T
    net = Function(
        lambda x: torch.stack(
            [-(x @ g) - ((x @ h) * x).sum(-1) / 2, torch.zeros(len(x))], dim=1
        )
    )
    x = torch.zeros(1, n, dtype=torch.float64)
    parts = [InteractionReduction(0.5, 0.4, 2)]
    attack = TransferAttack(net, "margin", parts=parts, generator=seeded())
    states = attack.trajectory(x, 2.0, 0.3, 5, 0, norm=norm)
    generator = seeded()
    for state, after in pairwise(states):
        delta = state[0]
        gradient = g + h @ delta
        for members in draw_units(n, 0.4, 2, generator):
            cross = (members[:, None] != members[None]) * h
            gradient = gradient - 0.5 / 2 * (cross @ delta)
        expected = plain.moved(x[0], delta, gradient, 2.0, 0.3, norm)
        assert_close(after[0], expected, **CLOSE)


def test_linear_models_ignore_the_interaction_term():
    net = nn.Linear(36, 4).double()
    x = images().flatten(1)
    states = [
        attacked(net, x, LABELS, "margin", parts)
        for parts in ([], [InteractionReduction(5.0)])
    ]
    assert_close(*states, **EXACT)


def test_chunks_agree():
    net, x = network(), images()
    parts = [NoiseAverage(5, 0.1), InputDiversity(0.7, 1.5), InteractionReduction()]
    options = {"parts": parts, "norm": "L2"}
    states = [
        attacked(net, x, LABELS, perturbations_per_eval=step, **options)
        for step in (None, 2, 64)
    ]
    assert_close(states[0], states[2], **CLOSE)
    # What is random is drawn before rows are divided into passes.
    assert_close(states[0], states[1], **CLOSE)


def test_diverse_inputs():
    generator = seeded()
    assert Diversity.draw(0.0, generator) is None
    assert torch.equal(generator.get_state(), seeded().get_state())
    draws = [Diversity.draw(0.5, generator) for _ in range(400)]
    share = sum(draw is not None for draw in draws) / 400
    assert abs(share - 0.5) < 5 * 0.5 / 20
    x = images().requires_grad_()
    for draw in filter(None, draws):
        changed = diversify(x, 1.5, draw)
        assert changed.shape == x.shape
        assert_close(diversify(x[1:2], 1.5, draw), changed[1:2], **EXACT)
        assert 0 < changed.sum() < x.sum()
    assert torch.autograd.grad(changed.sum(), x)[0].abs().sum() > 0
    # Without enlargement, images sit in one corner of the canvas of 9 × 9 pixels.
    placed = diversify(torch.ones(1, 1, 6, 6), 1.5, Diversity(0.0, 0.99, 0.0))
    assert placed[0, 0, 0].max() == 0
    assert placed[0, 0, -1, 0] == 1


@pytest.mark.parametrize("norm", ["Linf", "L2"])
def test_balls_and_bounds(norm):
    net, x = network(), images()
    attack = TransferAttack(
        net, lower_bound=0.0, upper_bound=1.0, parts=[Momentum()], generator=seeded()
    )
    states = attack.trajectory(x, 0.4, 0.1, 10, LABELS, norm=norm, random_start=True)
    delta = (states - x).flatten(2)
    size = delta.abs().amax(-1) if norm == "Linf" else delta.norm(dim=-1)
    assert size.max() <= 0.4 * (1 + 1e-12)
    assert size[-1].min() > 0.3
    assert states.min() >= 0
    assert states.max() <= 1
    assert (states[0] != x).all(0).any()


def test_l2_projection_keeps_zeros():
    delta = torch.tensor([[0.0, 0.0, 0.0], [0.0, 3.0, 4.0], [0.0, 0.1, 0.0]])
    expected = torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.6, 0.8], [0.0, 0.1, 0.0]])
    assert_close(project(delta, 1.0, "L2"), expected)


def test_random_starts_fill_the_ball():
    x, generator = torch.zeros(5, 3), seeded()
    for norm in ("Linf", "L2"):
        starts = torch.cat([random_start(x, 2.0, norm, generator) for _ in range(4000)])
        assert starts.shape == (4000, 3)
        radii = (starts.abs().amax(-1) if norm == "Linf" else starts.norm(dim=-1)) / 2
        assert radii.max() <= 1
        # Uniform in the ball: radius³ is uniform in three dimensions.
        assert abs((radii**3).mean() - 0.5) < 5 / (12 * 4000) ** 0.5
        assert starts.mean(0).abs().max() < 5 * 2 / 4000**0.5


def test_masked_elements_stay():
    net, x = network(), images()
    mask = torch.zeros(1, 6, 6)
    mask[..., :3] = 1
    states = attacked(net, x, LABELS, parts=ALL_PARTS, mask=mask, random_start=True)
    assert_close(states[..., 3:], x.expand_as(states)[..., 3:], **EXACT)
    assert (states[-1, ..., :3] != x[..., :3]).all()


def test_over_confident_networks_are_attacked_as_well():
    # Gradients far below Captum's threshold of 1e-6 still have a direction.
    weights = torch.randn(36, 2)
    net = Function(lambda x: x.flatten(1) @ weights + torch.tensor([40.0, 0.0]))
    x, labels = images().float(), torch.zeros(3).long()
    gradient = plain.gradient_of(lambda z: cross_entropy(net(z), labels), x)
    assert 0 < gradient.abs().max() < 1e-9
    for norm, size in (("Linf", 0.1), ("L2", 0.1)):
        got = TransferAttack(net).perturb(x, 0.1, 0.02, 5, labels, norm=norm) - x
        order = torch.inf if norm == "Linf" else 2
        reached = got.flatten(1).norm(order, dim=1)
        assert_close(reached, torch.full((3,), size))


def test_several_inputs_and_arguments():
    def forward(x, y, scale):
        total = (x * y).sum(-1) * scale
        return torch.stack([total, -total], dim=1)

    x, y = torch.rand(2, 3) + 1, torch.rand(2, 4)[:, :3] + 1
    scale = torch.tensor([1.0, 2.0])
    attack = TransferAttack(forward, "margin", parts=[InteractionReduction(0.1)])
    got = attack.perturb((x, y), 0.2, 0.1, 4, 0, scale)
    assert isinstance(got, tuple)
    assert_close(got[0], x - 0.2)
    assert_close(got[1], y - 0.2)
    attack = TransferAttack(forward, "margin")
    states = attack.trajectory((x, y), 0.2, 0.1, 4, [0, 1], scale)
    assert [part.shape for part in states] == [(5, 2, 3), (5, 2, 3)]
    assert_close(states[0][-1, 1], x[1] + 0.2)


def test_nothing_is_left_behind():
    net, x = network(), images()
    x.requires_grad_()
    copy, before = x.detach().clone(), torch.get_rng_state()
    attack = TransferAttack(net, parts=ALL_PARTS)
    with torch.no_grad():
        first = attack.perturb(x, 0.3, 0.1, 3, LABELS, random_start=True)
        second = attack.perturb(x, 0.3, 0.1, 3, LABELS, random_start=True)
        assert not torch.is_grad_enabled()
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.equal(first, second)
    assert_close(x.detach(), copy, **EXACT)
    assert x.grad is None
    assert all(parameter.grad is None for parameter in net.parameters())
    assert not first.requires_grad
    assert not net.block.branch._forward_hooks
    again = TransferAttack(net, parts=ALL_PARTS)
    third = again.perturb(x, 0.3, 0.1, 3, LABELS, random_start=True)
    assert_close(third, first, **EXACT)


def test_own_losses():
    net, x = network(), images()

    def loss(logits, labels):
        return cross_entropy(logits, labels, reduction="none")

    states = attacked(net, x, LABELS, loss)
    assert_close(states, attacked(net, x, LABELS), **EXACT)


@pytest.mark.parametrize("name", PRESETS)
def test_presets(name):
    net, x = network(), images()
    attack = TransferAttack(
        net, parts=PRESETS[name], skip_modules=BRANCHES, generator=seeded()
    )
    got = attack.perturb(x, 0.3, 0.1, 5, LABELS)
    pgd = TransferAttack(net).perturb(x, 0.3, 0.1, 5, LABELS)
    assert torch.equal(got, pgd) == (name == "PGD")
    assert (got - x).abs().max() <= 0.3 + 1e-12


def test_in_captums_comparison_of_attacks():
    net, x = network(), images()

    def accuracy(logits, target):
        return (logits.argmax(1) == target).double()

    comparator = AttackComparator(net, accuracy)
    numbers = {"radius": 0.5, "step_size": 0.1, "step_num": 10}
    attacks = {
        name: TransferAttack(net, "margin", parts=PRESETS[name], generator=seeded())
        for name in ("PGD", "MI+IR")
    }
    for name, attack in attacks.items():
        comparator.add_attack(
            attack,
            name,
            attack_kwargs=numbers,
            additional_attack_arg_names=["target"],
        )
    labels = net(x).argmax(1)
    result = comparator.evaluate(x, target=labels)
    assert result["Original"].mean() == 1
    for name, attack in attacks.items():
        attack.generator = seeded()
        expected = attack.perturb(x, target=labels, **numbers)
        assert_close(result[name]["mean"], accuracy(net(expected), labels))
    assert result["PGD"]["mean"].mean() < 1


@pytest.mark.parametrize("mode", ["linear", "binary"])
def test_in_captums_search_for_the_least_perturbation(mode):
    net, x = network(), images()[:1]
    label = int(net(x).argmax())
    attack = TransferAttack(net, "margin", generator=seeded())
    search = MinParamPerturbation(
        net, attack, arg_name="radius", arg_min=5e-4, arg_max=0.1, arg_step=5e-4,
        mode=mode,
    )  # fmt: skip
    numbers = {"step_size": 1e-3, "step_num": 40, "target": label}
    perturbed, radius = search.evaluate(x, target=label, attack_kwargs=numbers)
    assert net(perturbed).argmax() != label
    smaller = attack.perturb(x, radius=radius - 5e-4, **numbers)
    assert net(smaller).argmax() == label


def bad(options=None, net=None, x=None, labels=LABELS, **constructor):
    attack = TransferAttack(net or network(), **constructor)
    numbers = {"radius": 0.3, "step_size": 0.1, "step_num": 2, **(options or {})}
    return attack.perturb(images() if x is None else x, target=labels, **numbers)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        ({"options": {"radius": 0.0}}, ValueError, "`radius` must be a positive"),
        ({"options": {"radius": -1.0}}, ValueError, "`radius` must be a positive"),
        ({"options": {"step_size": 0}}, ValueError, "`step_size` must be a positive"),
        ({"options": {"step_size": float("nan")}}, ValueError, "`step_size` must"),
        ({"options": {"step_num": 0}}, ValueError, "`step_num` must be a positive"),
        ({"options": {"norm": "L1"}}, ValueError, "`norm` must be 'Linf' or 'L2'"),
        ({"parts": [InputDiversity()]}, ValueError, "large enough to add a pixel"),
        ({"parts": Momentum()}, TypeError, r"`parts` must be a sequence of AttackPart"),
        ({"parts": ["MI"]}, TypeError, "`parts` must be a sequence of AttackPart"),
        ({"options": {"perturbations_per_eval": 0}}, ValueError, "`perturbations_per"),
        ({"options": {"mask": torch.zeros(6, 6)}}, ValueError,
         "empty set of perturbation units for example 0"),
        ({"options": {"mask": torch.ones(5, 6)}}, ValueError, "`mask` must be broadca"),
        ({"options": {"feature_mask": torch.zeros(6, 6).long()},
          "parts": PRESETS["IR"]}, ValueError, "two perturbation units, got 1"),
        ({"parts": PRESETS["SGM"]}, ValueError, "`modules` must be the residual bran"),
        ({"parts": [SkipGradient(0.5, ["block.leg"])]}, ValueError,
         "`modules` must be the name of a submodule"),
        ({"skip_modules": ["block.leg"]}, ValueError, "`skip_modules` must be the na"),
        ({"skip_modules": "block"}, TypeError, "`skip_modules` must be a sequence"),
        ({"labels": torch.zeros(2).long()}, ValueError, "one for each of the 3 exam"),
        ({"labels": torch.zeros(3)}, TypeError, "`target` must be integer class"),
        ({"labels": torch.eye(5).long()[:3]}, ValueError, "`target` must be one outp"),
        ({"labels": None}, TypeError, "`target` must be class labels, got NoneType"),
        ({"labels": 5}, ValueError, r"`target` must be labels in 0\.\.4"),
        ({"net": nn.Sequential(nn.Flatten(), nn.Linear(36, 5).double(),
                               nn.Softmax(-1))}, ValueError, "returns logits, got ou"),
        ({"net": Function(lambda x: x.flatten(1).sum(-1))}, ValueError,
         r"returns logits \(3, classes\), got shape \(3,\)"),
        ({"loss_func": nn.CrossEntropyLoss()}, ValueError,
         r"one loss per example \(3,\), got \(\); use reduction='none'"),
        ({"loss_func": "hinge"}, ValueError, "`loss_func` must be 'cross_entropy'"),
        ({"lower_bound": 1.0, "upper_bound": 0.0}, ValueError, "`lower_bound` must"),
        ({"x": torch.zeros(3, 1, 6, 6).long()}, TypeError, "floating tensors"),
        ({"x": torch.zeros(3, 36), "parts": [TranslationInvariance(3)]}, ValueError,
         "`parts` must be without TranslationInvariance unless inputs are"),
        ({"net": Function(lambda x: x.detach().flatten(1) @ torch.ones(36, 2).double()),
          "labels": 0}, ValueError, "`forward_func` must be differentiable"),
    ],
)  # fmt: skip
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        bad(**call)


@pytest.mark.parametrize(
    ("part", "numbers", "error", "message"),
    [
        (TranslationInvariance, (4,), ValueError, "`kernel_size` must be odd"),
        (TranslationInvariance, (0,), ValueError, "`kernel_size` must be a positive"),
        (Momentum, (-1,), ValueError, "`decay` must be 0 or more, got -1"),
        (InputDiversity, (2,), ValueError, r"`probability` must be in 0\.\.1"),
        (InteractionReduction, (1.0, 1.0), ValueError, "`fraction` must be between"),
        (InteractionReduction, (1.0, 0.5, 0), ValueError, "`sets` must be a positive"),
        (
            InteractionReduction,
            (float("nan"),),
            ValueError,
            "`weight` must be 0 or more",
        ),
        (NoiseAverage, (1.5,), TypeError, "`copies` must be an integer"),
        (NoiseAverage, (1, -1.0), ValueError, "`std` must be 0 or more"),
        (SkipGradient, (-0.1,), ValueError, "`gamma` must be 0 or more"),
    ],
)
def test_bad_parts(part, numbers, error, message):
    with pytest.raises(error, match=message):
        part(*numbers)


class Reversed(AttackPart):
    """Down instead of up, and a count of the steps."""

    def __init__(self, place):
        self.place = place
        self.steps = []

    def wrap(self, climb, run):
        def reversed_climb(state):
            self.steps.append((run.step_num, [len(x) for x in state]))
            return tuple(-part for part in climb(state))

        return reversed_climb


@pytest.mark.parametrize("place", PLACES)
def test_parts_of_ones_own(place):
    net, x = network(), images()
    part = Reversed(place)
    got = attacked(net, x, LABELS, parts=[Momentum(0.5), part, NoiseAverage(2, 0.1)])
    expected = attacked(
        net, x, LABELS, parts=[Momentum(0.5), NoiseAverage(2, 0.1)], targeted=True
    )
    assert_close(got, expected, **EXACT)
    # What stands inside of the noise is asked for all copies at once; in one place the
    # first of the list is outermost.
    rows = 6 if place == "input" else 3
    assert part.steps == [(8, [rows])] * 8


def test_a_part_has_to_know_its_place():
    with pytest.raises(ValueError, match="`place` must be one of"):
        TransferAttack(network(), parts=[Reversed("everywhere")])
    with pytest.raises(TypeError, match="abstract"):
        AttackPart()


def test_verbs_share_their_arguments_and_their_body():
    net, x = network(), images()
    arguments = signature(TransferAttack.states).parameters
    assert signature(TransferAttack.perturb).parameters == arguments
    assert signature(TransferAttack.trajectory).parameters == arguments
    assert "radius: ε" in TransferAttack.trajectory.__doc__
    captums = list(signature(PGD.perturb).parameters)
    assert list(arguments)[: len(captums)] == captums
    states = attacked(net, x, LABELS)
    attack = TransferAttack(net)
    assert torch.equal(attack.perturb(x, 0.3, 0.05, 8, LABELS), states[-1])
    # Steps are made as they are asked for; what is wrong is said before.
    few = attack.states(x, 0.3, 0.05, 8, LABELS)
    assert torch.equal(next(few), x)
    assert torch.equal(next(few), states[1])
    with pytest.raises(ValueError, match="`radius` must be"):
        attack.states(x, 0.0, 0.05, 8, LABELS)


def test_functions_need_modules_to_scale():
    with pytest.raises(TypeError, match="`skip_modules` must be a list of modules"):
        TransferAttack(lambda x: x, skip_modules=["block"])
    with pytest.raises(TypeError, match="`forward_func` must be callable"):
        TransferAttack(3)


def test_train_mode_is_warned_of():
    net = conv_net(norm=True).train()
    with pytest.warns(UserWarning, match="train mode"):
        TransferAttack(net).perturb(images().float(), 0.1, 0.1, 1, LABELS)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        TransferAttack(net.eval()).perturb(images().float(), 0.1, 0.1, 1, LABELS)
