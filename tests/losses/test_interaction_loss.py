"""The interaction loss against its definition."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.testing import assert_close

from captum_interactions.games.masking import MaskedInputs, format_baselines
from captum_interactions.losses import InteractionLoss
from captum_interactions.losses.contexts import GroupPlan, masked_copies
from captum_interactions.players.players import Players
from tests import reference
from tests.losses.models import Function, Residual, conv_net

EXACT = {"rtol": 0, "atol": 0}
CLOSE = {"rtol": 1e-10, "atol": 1e-10}


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def draw(n, batch, contexts, alpha=0.05, rate=(0.0, 1.0), seed=0):
    return GroupPlan.draw(n, batch, contexts, alpha, rate, seeded(seed))


def set_function(model, x, baseline):
    """One example's game, evaluated one coalition at a time."""

    def game(coalition):
        present = torch.tensor([i in coalition for i in range(len(x))])
        return model(torch.where(present, x, baseline).unsqueeze(0)).double().item()

    return game


@pytest.mark.parametrize("power", [1, 2])
def test_sampled_loss_is_the_definition(power, generator):
    n, batch, contexts = 9, 3, 4
    weights = torch.randn(n, n, generator=generator, dtype=torch.float64)
    model = Function(lambda x: torch.tanh(x @ weights).prod(-1) * 100)
    x = torch.randn(batch, n, generator=generator, dtype=torch.float64)
    baseline = torch.randn(1, n, generator=generator, dtype=torch.float64)
    criterion = InteractionLoss(
        model, alpha=0.25, n_contexts=contexts, power=power, baselines=baseline,
        generator=seeded(),
    )  # fmt: skip
    loss = criterion(x).interaction
    plan = draw(n, batch, contexts, alpha=0.25)
    a, b = (frozenset(group.tolist()) for group in (plan.a, plan.b))
    assert len(a) == len(b) == 2
    assert not a & b
    terms = []
    for example in range(batch):
        game = set_function(model, x[example], baseline[0])
        for context in plan.kept[:, example]:
            s = frozenset(context.nonzero()[:, 0].tolist())
            assert not s & (a | b)
            terms.append(abs(reference.group_delta(game, a, b, s)) ** power)
    assert_close(loss.item(), sum(terms) / len(terms), **CLOSE)


def test_square_of_the_size():
    # Δf(S,A,B) = 2|A||B| for every context, so the loss is 4·m⁴.
    model = Function(lambda x: x.sum(-1) ** 2)
    x = torch.ones(3, 40, dtype=torch.float64)
    for alpha, m in [(0.01, 1), (0.05, 2), (0.49, 19)]:
        loss = InteractionLoss(model, alpha=alpha)(x).interaction
        assert_close(loss.item(), 4.0 * m**4, **CLOSE)


def test_square_of_a_weighted_sum(generator):
    x = torch.randn(1, 20, generator=generator, dtype=torch.float64)
    model = Function(lambda x: x.sum(-1) ** 2)
    loss = InteractionLoss(model, alpha=0.15, generator=seeded(), power=1)(x)
    plan = draw(20, 1, 10, alpha=0.15)
    expected = (2 * x[0, plan.a].sum() * x[0, plan.b].sum()).abs()
    assert_close(loss.interaction, expected, **CLOSE)


@pytest.mark.parametrize("n_contexts", [10, None])
def test_linear_models_have_none(n_contexts):
    model = nn.Linear(8, 3).double()
    x, labels = torch.randn(4, 8).double(), torch.tensor([0, 1, 2, 0])
    loss = InteractionLoss(model, n_contexts=n_contexts)(x, labels).interaction
    assert loss.item() < 1e-25


@pytest.mark.parametrize("power", [1, 2])
def test_exact_loss_is_the_mean_of_the_index(power, generator):
    n = 5
    weights = torch.randn(n, n, generator=generator, dtype=torch.float64)
    model = Function(lambda x: torch.tanh(x @ weights).prod(-1) * 100)
    x = torch.randn(3, n, generator=generator, dtype=torch.float64)
    loss = InteractionLoss(model, n_contexts=None, power=power)(x).interaction
    terms = []
    for row in x:
        game = set_function(model, row, torch.zeros(n, dtype=torch.float64))
        terms += [
            abs(reference.shapley_interaction(game, frozenset({i, j}), n)) ** power
            for i in range(n)
            for j in range(n)
            if i != j
        ]
    assert_close(loss.item(), sum(terms) / len(terms), **CLOSE)


def test_unanimity_game():
    # I(i,j) = 1/(t−1) within T: three pairs of six at t = 3, n = 4.
    model = Function(lambda x: x[:, :3].prod(-1))
    x = torch.ones(1, 4, dtype=torch.float64)
    loss = InteractionLoss(model, n_contexts=None, power=1)(x).interaction
    assert_close(loss.item(), 0.5 * 3 / 6, **CLOSE)


@pytest.mark.parametrize("n_contexts", [3, None])
def test_gradients(n_contexts, generator):
    weights = torch.randn(6, 6, generator=generator, dtype=torch.float64)

    def loss(x, w):
        model = Function(lambda x: torch.tanh(x @ w).prod(-1) * 100)
        criterion = InteractionLoss(
            model, n_contexts=n_contexts, generator=seeded(), alpha=0.2
        )
        return criterion(x).interaction

    x = torch.randn(2, 6, generator=generator, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(loss, (x, weights.requires_grad_()))


@pytest.mark.parametrize("baseline", [0.0, 0.7])
def test_masked_copies_are_the_general_masking(baseline):
    features = torch.randn(3, 2, 4, dtype=torch.float64, requires_grad=True)
    plan = draw(8, 3, 5, alpha=0.2)
    players = Players.from_feature_mask(None, (features,))
    absent = format_baselines(baseline, (features,))
    (expected,) = MaskedInputs((features,), absent, players).rows(plan.masks())
    got = masked_copies(features, absent[0].squeeze(0), plan)
    assert_close(got, expected, **EXACT)
    weights = torch.randn_like(got)
    gradients = [
        torch.autograd.grad((rows * weights).sum(), features)[0]
        for rows in (got, expected)
    ]
    assert_close(*gradients)
    assert torch.autograd.gradgradcheck(
        lambda f: masked_copies(f, absent[0].squeeze(0), plan).sin(), (features,)
    )


@pytest.mark.parametrize(
    "dtype", [torch.float64, torch.float32, torch.bfloat16, torch.int64, torch.bool]
)
def test_masking_chooses_and_does_not_multiply(dtype):
    plan = draw(8, 3, 5, alpha=0.2)
    features = torch.randn(3, 8).mul(9).to(dtype)
    absent = torch.zeros(1, 8, dtype=dtype)
    if dtype.is_floating_point:
        features[0] = torch.tensor([torch.nan, torch.inf, -torch.inf, -0.0] * 2)
    got = masked_copies(features, absent[0], plan)
    players = Players.from_feature_mask(None, (features,))
    (expected,) = MaskedInputs((features,), (absent,), players).rows(plan.masks())
    assert got.dtype == dtype
    assert_close(got, expected, rtol=0, atol=0, equal_nan=True)


def test_infinite_gradients_of_absent_units_do_not_count():
    plan = draw(8, 1, 1, alpha=0.2, rate=(1.0, 1.0))  # only A and B are ever present
    features = torch.ones(1, 8, requires_grad=True)
    rows = masked_copies(features, torch.zeros(8), plan)
    rows.backward(torch.full_like(rows, torch.inf))
    groups = torch.cat([plan.a, plan.b])
    assert features.grad[0, groups].isinf().all()
    assert int((features.grad == 0).sum()) == 8 - len(groups)


def test_context_sizes_are_uniform():
    # Shapley's weights: P(|S| = s) = 1/(n−1) on the n − 2 other units.
    plan = draw(6, 2, 20_000, alpha=0.01)
    sizes = plan.kept.sum(-1)
    for size in range(5):
        share = (sizes == size).double().mean().item()
        # The batch shares its drop rate: 20,000 independent draws at least.
        assert abs(share - 0.2) < 5 * (0.2 * 0.8 / 20_000) ** 0.5
    assert draw(50, 1, 100, rate=(0.0, 0.2)).kept.double().mean() > 0.8
    assert draw(50, 1, 100, rate=(1.0, 1.0)).kept.sum() == 0


@pytest.mark.parametrize("layer", ["conv", "relu", "conv2"])
def test_a_layer_is_the_input_of_the_rest(layer):
    x, labels = torch.randn(4, 1, 6, 6), torch.tensor([0, 3, 1, 4])
    net = conv_net(inplace=True)
    options = {"alpha": 0.3, "generator": seeded()}
    logits, loss = InteractionLoss(net, layer, **options)(x, labels)
    (cross_entropy(logits, labels) + loss).backward()
    plain = conv_net()
    at = list(dict(plain.named_children())).index(layer) + 1
    features = plain[:at](x)
    upper = InteractionLoss(plain[at:], alpha=0.3, generator=seeded())
    expected, upper_loss = upper(features, labels)
    (cross_entropy(expected, labels) + upper_loss).backward()
    assert_close(logits, expected)
    assert_close(loss, upper_loss)
    assert loss > 0
    for own, other in zip(net.parameters(), plain.parameters(), strict=True):
        assert_close(own.grad, other.grad)


def test_the_layer_may_be_given_itself():
    net, x, labels = conv_net(), torch.randn(2, 1, 6, 6), torch.tensor([0, 1])
    by_name, by_module = (
        InteractionLoss(net, layer, generator=seeded())(x, labels).interaction
        for layer in ("relu", net.relu)
    )
    assert_close(by_name, by_module, **EXACT)


@pytest.mark.parametrize("layer", [None, "conv", "relu2"])
def test_running_statistics_are_those_of_one_ordinary_pass(layer):
    x, labels = torch.randn(8, 1, 6, 6), torch.arange(8) % 5
    net, plain = conv_net(norm=True).train(), conv_net(norm=True).train()
    net.norm2.eval()
    plain.norm2.eval()
    logits = InteractionLoss(net, layer)(x, labels).output
    torch.manual_seed(1234)
    plain(x)
    for (name, own), other in zip(net.named_buffers(), plain.buffers(), strict=True):
        assert_close(own, other, **EXACT, msg=name)
    assert logits.shape == (8, 5)
    assert net.norm.num_batches_tracked == 1
    assert net.training
    assert net.drop.training
    assert not net.norm2.training


def test_dropout_stays_out_of_the_interaction_track():
    net, x, labels = conv_net(norm=True), torch.randn(4, 1, 6, 6), torch.arange(4)
    net.eval()
    expected = InteractionLoss(net, generator=seeded())(x, labels).interaction
    net.drop.train()
    got = InteractionLoss(net, generator=seeded())(x, labels).interaction
    assert_close(got, expected, **EXACT)


@pytest.mark.parametrize("layer", [None, "relu"])
def test_autocast(layer):
    net, x, labels = conv_net(), torch.randn(16, 1, 6, 6), torch.arange(16) % 5
    net.fc.bias.data += 50  # cancels in Δf, but not its rounding
    expected = InteractionLoss(net, layer, generator=seeded())(x, labels).interaction
    losses = {}
    with torch.autocast("cpu", dtype=torch.bfloat16):
        for autocast in (False, True):
            criterion = InteractionLoss(
                net, layer, generator=seeded(), autocast=autocast
            )
            logits, losses[autocast] = criterion(x, labels)
            assert logits.dtype == torch.bfloat16
            assert losses[autocast].dtype == torch.float32
    # Below the layer autocast is in force, and features come with eight bits.
    assert_close(losses[False], expected, rtol=2**-5 if layer else 1e-5, atol=0)
    assert abs(losses[True] - expected) > 10 * abs(losses[False] - expected)
    losses[False].backward()
    assert net.conv2.weight.grad.abs().sum() > 0


def test_gradients_accumulate():
    x, labels = torch.randn(8, 1, 6, 6), torch.arange(8) % 5
    gradients = []
    for at_once in (True, False):
        net = conv_net()
        criterion = InteractionLoss(net, "relu", generator=seeded())
        losses = []
        for part, own in zip(x.chunk(2), labels.chunk(2), strict=True):
            logits, interaction = criterion(part, own)
            losses.append(cross_entropy(logits, own) + interaction)
            if not at_once:
                losses[-1].backward()
        if at_once:
            sum(losses).backward()
        gradients.append([parameter.grad for parameter in net.parameters()])
    assert_close(*gradients)


@pytest.mark.parametrize("layer", [None, "relu"])
def test_compiled_models(layer):
    net, x, labels = conv_net(), torch.randn(4, 1, 6, 6), torch.arange(4)
    compiled = torch.compile(net, backend="eager")
    compiled(x)
    for _ in range(2):  # the second call meets code compiled by the first
        (logits, loss), (expected, expected_loss) = (
            InteractionLoss(model, layer, generator=seeded())(x, labels)
            for model in (compiled, net)
        )
        assert_close(logits, expected)
        assert_close(loss, expected_loss)
        assert loss > 0


@pytest.mark.parametrize(("layer", "inplace"), [("relu", False), ("conv", True)])
def test_chunks_agree(layer, inplace):
    x, labels = torch.randn(3, 1, 6, 6), torch.arange(3)
    found = []
    for step in (1000, None, 1, 7):
        net = conv_net(inplace=inplace)
        criterion = InteractionLoss(
            net, layer, generator=seeded(), perturbations_per_eval=step
        )
        loss = criterion(x, labels).interaction
        loss.backward()
        found.append((loss.detach(), [p.grad for p in net.parameters()]))
    for other in found[1:]:
        assert_close(other, found[0])


def test_passes_on_a_cpu_are_small():
    net, rows = conv_net(), []
    x, labels = torch.randn(100, 1, 6, 6), torch.zeros(100).long()
    criterion = InteractionLoss(net, "conv")
    net.relu.register_forward_pre_hook(lambda module, args: rows.append(len(args[0])))
    criterion(x, labels)
    assert rows == [100, 1000, 1000, 1000, 1000]


@pytest.mark.parametrize("score", ["logit", "prob", "log_prob", "log_odds"])
def test_scores(score):
    net = nn.Sequential(nn.Linear(6, 3)).double()
    x, labels = torch.randn(4, 6, dtype=torch.float64), torch.tensor([0, 1, 2, 1])
    scores = {
        "logit": lambda z: z,
        "prob": lambda z: z.softmax(-1),
        "log_prob": lambda z: z.softmax(-1).log(),
        "log_odds": lambda z: (z.softmax(-1) / (1 - z.softmax(-1))).log(),
    }
    own = InteractionLoss(net, score=score, generator=seeded())(x, labels)

    def scored(x):
        repeats = len(x) // 4
        return scores[score](net(x))[torch.arange(len(x)), labels.repeat(repeats)]

    other = InteractionLoss(Function(scored), generator=seeded())(x)
    assert_close(own.interaction, other.interaction, **CLOSE)


def test_units_of_a_feature_mask():
    net, x, labels = conv_net(), torch.randn(3, 1, 6, 6), torch.arange(3)
    channels = torch.arange(3).reshape(1, 3, 1, 1)
    exact = InteractionLoss(net, "relu", n_contexts=None, feature_mask=channels)
    assert exact(x, labels).interaction > 0
    same = torch.arange(108).reshape(1, 3, 6, 6)
    losses = [
        InteractionLoss(net, "relu", feature_mask=mask, generator=seeded())(x, labels)
        for mask in (None, same)
    ]
    assert_close(losses[0].interaction, losses[1].interaction)


def test_several_inputs_and_arguments():
    net = Function(lambda x, y, w: (x * y).sum(-1) * w)
    x, y, w = torch.randn(3, 2), torch.randn(3, 2), torch.tensor([1.0, 2.0, 0.0])
    x, y, w = x.double(), y.double(), w.double()
    loss = InteractionLoss(net, n_contexts=None, power=1)((x, y), None, w).interaction
    # Players x0, x1, y0, y1: I(x_k, y_k) = x_k·y_k·w, two of six pairs.
    expected = ((x * y).abs().sum(-1) * w).mean() / 6
    assert_close(loss, expected)


def test_warm_up():
    net, x, labels = conv_net(), torch.randn(16, 1, 6, 6), torch.arange(16) % 5
    criterion = InteractionLoss(net, "relu", warmup=2)
    for epoch in range(4):
        criterion.set_epoch(epoch)
        logits, loss = criterion(x, labels)
        assert_close(logits, net(x))
        assert bool(loss > 0) == (epoch >= 2)
        (logits.sum() + loss).backward()


def test_randomness_is_its_own():
    net, x, labels = conv_net(), torch.randn(16, 1, 6, 6), torch.arange(16) % 5
    before = torch.get_rng_state()
    criterion = InteractionLoss(net, "relu")
    first, second = criterion(x, labels), criterion(x, labels)
    assert torch.equal(torch.get_rng_state(), before)
    assert first.interaction != second.interaction
    again = InteractionLoss(net, "relu")(x, labels)
    assert_close(first.interaction, again.interaction, **EXACT)


def test_minimizing_it_lowers_it():
    x, labels = torch.randn(16, 1, 6, 6), torch.arange(16) % 5
    channels = torch.arange(3).reshape(1, 3, 1, 1)
    left = []
    for weight in (0.0, 10.0, 1000.0):
        net = conv_net()
        criterion = InteractionLoss(net, "relu", alpha=0.3)
        optimizer = torch.optim.Adam(net.parameters(), 1e-2)
        for _ in range(30):
            optimizer.zero_grad()
            logits, interaction = criterion(x, labels)
            (cross_entropy(logits, labels) + weight * interaction).backward()
            optimizer.step()
        exact = InteractionLoss(net, "relu", n_contexts=None, feature_mask=channels)
        left.append(exact(x, labels).interaction.item())
    assert left[0] > 1.5 * left[1] > 3 * left[2]


def loss(model=None, layer=None, x=None, target=None, **options):
    x = torch.randn(2, 8) if x is None else x
    return InteractionLoss(model or nn.Linear(8, 3), layer, **options)(x, target)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        ({"layer": "nowhere"}, ValueError, "`layer` must be the name of a submodule"),
        ({"model": nn.Sequential(Function(lambda x: (x, x)),
                                 Function(lambda p: p[0])), "layer": "0"},
         TypeError, "`layer` must be a layer that returns one tensor, got tuple"),
        ({"model": nn.Linear(3, 3), "x": torch.randn(2, 3)}, ValueError,
         "at least four units.*got 3 units"),
        ({"model": nn.Linear(13, 2), "x": torch.randn(2, 13), "n_contexts": None},
         ValueError, "2 to 12 units, got None with 13"),
        ({"model": nn.Sequential(nn.Linear(8, 3), nn.Softmax(-1))}, ValueError,
         "`model` must be one that returns logits, got outputs that are probabil"),
        ({"target": torch.tensor([0, 1, 2])}, ValueError,
         "`target` must be one output index, or one for each of the 2 examples"),
        ({"target": torch.tensor([0.0, 1.0])}, TypeError,
         "`target` must be integer class labels"),
        ({"target": torch.eye(3, dtype=torch.long)[:2]}, ValueError, "length"),
        ({"target": torch.tensor([0, 3])}, ValueError, "must select from an output"),
        ({"target": None}, ValueError, "picks one output per example"),
        ({"alpha": 0.5}, ValueError, "`alpha` must be between 0 and 0.5"),
        ({"drop_rate": (0.5, 0.2)}, ValueError, "`drop_rate`"),
        ({"power": 3}, ValueError, "`power` must be 1 or 2"),
        ({"score": "probability"}, ValueError, "`score` must be one of"),
        ({"warmup": -1}, ValueError, "`warmup`"),
        ({"n_contexts": 0}, ValueError, "`n_contexts` must be a positive integer"),
        ({"perturbations_per_eval": 0}, ValueError, "`perturbations_per_eval`"),
    ],
)  # fmt: skip
def test_bad_input(call, error, message):
    call.setdefault("target", torch.tensor([0, 1]))
    with pytest.raises(error, match=message):
        loss(**call)


def test_models_that_are_no_modules():
    with pytest.raises(TypeError, match=r"`model` must be an nn.Module"):
        InteractionLoss(lambda x: x)
    net = nn.Sequential(Residual(8), nn.Linear(8, 3))
    with pytest.raises(ValueError, match="must carry everything"):
        loss(net, "0.branch", target=torch.tensor([0, 1]))
