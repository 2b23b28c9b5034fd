"""AndOrInteraction: the contract, readings against definitions, planted models."""

from __future__ import annotations

import contextlib

import pytest
import torch
from torch.testing import assert_close

from captum_interactions import AndInteraction, AndOrInteraction
from captum_interactions.functional import all_masks, coalition_members
from captum_interactions.results import AndOrInteractionResult, AndOrTerm
from tests import reference
from tests.contracts.attribution import AttributionContract, Mlp, double, slow_game
from tests.planted import linear_program, planted_table, planted_terms


class TestAndOrInteraction(AttributionContract):
    method = AndOrInteraction


class TestAuthorsSolver(AttributionContract):
    method = AndOrInteraction
    options = {"solver": "sgd", "max_iterations": 3}  # noqa: RUF012


def player_model(table, n):
    """A forward function whose game on ones against zeros is ``table``."""

    def forward(x):
        codes = (x.round().long() << torch.arange(n)).sum(-1)
        return table[codes]

    return forward


@pytest.fixture
def case():
    x, model = double(2, 4), Mlp()
    result = AndOrInteraction(model).interactions(x, target=1)
    games = [
        slow_game(
            model, (x,), (torch.zeros(1, 4).double(),), (torch.arange(4)[None],), b,
            output=(1,),
        )
        for b in range(2)
    ]  # fmt: skip
    return result, games


def test_parts_explain_every_mask_by_the_definition(case):
    result, games = case
    assert result.values.shape == (2, 2, 16)
    assert_close(result.values[:, 0], result.and_values)
    assert_close(result.values[:, 1], result.or_values)
    for example, game in enumerate(games):
        parts = [
            {
                frozenset(coalition_members(code)): result.parts[example, kind, code]
                for code in range(1, 16)
            }
            for kind in range(2)
        ]
        explained = reference.and_or_value(*parts, result.parts[example, 0, 0])
        for coalition in reference.subsets(range(4)):
            assert explained(coalition).item() == pytest.approx(
                game(coalition), abs=1e-10
            )


def test_split_is_the_sparsest(case):
    result, games = case
    for example, game in enumerate(games):
        best = linear_program(torch.tensor(reference.table(game, 4)))
        assert result.objective[example].item() == pytest.approx(best, rel=1.001e-4)
    assert (result.gap <= 1e-4).all()
    assert (result.gap >= 0).all()


def test_weights_count_in_the_norm():
    x, model = double(2, 4), Mlp()
    weights = (
        0.5 + torch.rand(2, 16, generator=torch.Generator().manual_seed(0)).double()
    )
    result = AndOrInteraction(model).interactions(x, target=1, weights=weights)
    zeros = torch.zeros(1, 4).double()
    for example in range(2):
        game = slow_game(
            model, (x,), (zeros,), (torch.arange(4)[None],), example, output=(1,)
        )
        table = torch.tensor(reference.table(game, 4))
        best = linear_program(table, weights=weights)
        assert result.objective[example].item() == pytest.approx(best, rel=1.001e-4)
    assert (result.gap <= 1e-4).all()


def test_the_bar_moves_while_the_split_is_solved(monkeypatch):
    moves = []

    class Bar(contextlib.nullcontext):
        def __enter__(self):
            return self

        def update(self, amount):
            moves.append(amount)

    def progress_bar(show, description, total):
        assert show
        assert (description, total) == ("AND-OR split", 100)
        return Bar()

    monkeypatch.setattr(
        "captum_interactions.attr.and_or_interaction.progress_bar", progress_bar
    )
    AndOrInteraction(Mlp(6)).interactions(double(2, 6), target=1, show_progress=True)
    assert sum(moves) == 100
    assert min(moves) >= 0
    assert max(moves) < 90


def test_indices_are_the_definitions(case):
    result, games = case
    for example, game in enumerate(games):
        for index, value in [
            ("SII", reference.shapley_interaction),
            ("BII", reference.banzhaf_interaction),
            ("STII", reference.shapley_taylor),
        ]:
            got = result.interaction_index(index)[example, 0, 2].item()
            expected = value(game, frozenset({0, 2}), 4)
            assert got == pytest.approx(expected, abs=1e-9)
        got = result.multi_order([0, 2])[example, :, 1, 3]
        for found, m in zip(got.tolist(), (0, 2), strict=True):
            expected = reference.multi_order_interaction(game, 1, 3, m, 4)
            assert found == pytest.approx(expected, abs=1e-9)
        for code in range(16):
            expected = reference.and_interaction(
                game, frozenset(coalition_members(code))
            )
            assert result.dividends[example, code].item() == pytest.approx(
                expected, abs=1e-9
            )


def test_a_planted_model_is_read_back():
    and_terms, or_terms = planted_terms(6, 6, seed=1)
    table = planted_table(6, and_terms, or_terms)
    result = AndOrInteraction(player_model(table, 6)).interactions(
        torch.ones(1, 6).double()
    )
    planted = [("and", m, w) for m, w in and_terms.items()]
    planted += [("or", m, w) for m, w in or_terms.items()]
    largest = max(abs(w) for _, _, w in planted)
    planted = [t for t in planted if abs(t[2]) > 0.05 * largest]
    planted.sort(key=lambda t: -abs(t[2]))
    found = result.top_k(len(planted))[0]
    assert [(t.kind, frozenset(t.players)) for t in found] == [t[:2] for t in planted]
    for term, (_, _, weight) in zip(found, planted, strict=True):
        assert term.value == pytest.approx(weight, abs=1e-9)
    assert int(result.salient().sum()) == len(planted)
    assert result.r_squared().item() > 0.99
    assert result.explained_ratio().item() > 0.9
    assert result.terms_for_share(0.9).item() <= len(planted)
    assert result.gap.item() <= 1e-4


def test_readings_of_sparsity_by_loops(case):
    result, _ = case
    for example in range(2):
        effects = [abs(v) for v in result.parts[example, :, 1:].flatten().tolist()]
        kept = [v for v in effects if v > 0.05 * max(effects)]
        assert int(result.salient()[example].sum()) == len(kept)
        assert result.explained_ratio()[example].item() == pytest.approx(
            sum(kept) / sum(effects)
        )
        ranked = sorted(effects, reverse=True)
        count = int(result.terms_for_share(0.95)[example])
        assert sum(ranked[:count]) >= 0.95 * sum(effects) > sum(ranked[: count - 1])
        v, fitted = (
            result.reconstruct()[example],
            result.reconstruct(None, 0.3)[example],
        )
        error = ((v - fitted) ** 2).sum() / ((v - v.mean()) ** 2).sum()
        assert result.r_squared(0.3)[example].item() == pytest.approx(1 - error.item())
    assert_close(result.r_squared(None), torch.ones(2).double())
    strength = result.size_strength()
    assert strength.shape == (2, 2, 5)
    assert_close(strength.sum((1, 2)), result.parts.abs().sum((1, 2)))
    up, down = result.signed_size_strength()
    assert_close(up - down, strength)
    assert (result.net_explained_ratio() >= result.explained_ratio() - 1e-12).all()


def test_reconstruct_masks(case):
    result, games = case
    masks = torch.tensor([[True, False, True, False], [False] * 4, [True] * 4])
    got = result.reconstruct(masks)
    for example, game in enumerate(games):
        for row, value in zip(masks, got[example], strict=True):
            coalition = frozenset(row.nonzero()[:, 0].tolist())
            assert value.item() == pytest.approx(game(coalition), abs=1e-10)
    assert_close(result.reconstruct()[:, [5, 0, 15]], got)


def test_terms_read_like_formulas(case):
    result, _ = case
    named = result.named(["a", "b", "c", "d"])
    for term in named.top_k(5)[0]:
        assert isinstance(term, AndOrTerm)
        joint = {"and": " ∧ ", "or": " \N{LOGICAL OR} "}[term.kind].join(term.names)
        assert repr(term) == f"({joint}) {term.value:+.4g}"
        kind = ("and", "or").index(term.kind)
        code = reference.code(term.players)
        assert result.parts[0, kind, code].item() == term.value
    pairs = result.top_k(100, min_size=2, max_size=2)[1]
    assert {len(t.players) for t in pairs} == {2}
    # Nothing is listed twice: an OR of one player is an AND of one player.
    singles = result.top_k(100, min_size=1, max_size=1)[0]
    assert len(singles) <= 4
    assert {t.kind for t in singles} == {"and"}


def test_outputs_nest():
    result = AndOrInteraction(Mlp()).interactions(double(2, 4))
    assert result.values.shape == (2, 2, 2, 16)
    assert result.shapley_values().shape == (2, 2, 4)
    assert len(result.top_k(2)[1][0]) == 2
    assert result.salient().shape == (2, 2, 2, 16)
    assert result.noise_floor.shape == (2, 2, 5)


def test_float32_noise_is_never_salient():
    # Additive in exact arithmetic; float32 rounding of large v leaves interactions.
    x = torch.full((1, 8), 0.1)
    weights = torch.linspace(1, 2, 8)

    def f(x):
        return 1000 + ((x * weights).sum(1) * 3).exp().log()

    result = AndOrInteraction(f).interactions(x)
    floor = result.noise_floor[0]
    assert floor[1].item() == pytest.approx(
        4 * 2**-23 * result.reconstruct().abs().max().item() * 2**0.5, rel=1e-3
    )
    sizes = torch.tensor([len(coalition_members(c)) for c in range(256)])
    under = result.parts.abs() <= floor[sizes]
    assert not (result.salient(1e-6) & under).any()
    # … although rounding is well above a millionth of the largest interaction.
    proper = result.parts.abs()[0, :, 1:]
    above = proper > 1e-6 * proper.max()
    assert int(above.sum()) > int(result.salient(1e-6).sum()) > 0


def test_noise_term_is_a_part_of_the_output():
    x, model = double(1, 4), Mlp()
    result = AndOrInteraction(model).interactions(x, target=0, noise_bound=0.05)
    total = (result.info.v_full - result.info.v_empty).abs()
    assert 0 < result.noise.abs().max() <= 0.05 * total * (1 + 1e-12)
    exact = AndInteraction(model).interactions(x, target=0).reconstruct(all_masks(4))
    assert_close(result.reconstruct(), exact + result.noise)
    assert result.r_squared(None).item() < 1


def test_value_noise_is_taken_as_given():
    result = AndOrInteraction(Mlp()).interactions(double(1, 4), value_noise=0.5)
    expected = 0.5 * 2 ** (torch.arange(5).double() / 2)
    assert_close(result.noise_floor[0, 0], expected)


def test_file_keeps_the_certificate(case, tmp_path):
    case[0].save(tmp_path / "r.npz")
    loaded = AndOrInteractionResult.load(tmp_path / "r.npz")
    assert_close(loaded.gap, case[0].gap)
    assert_close(loaded.noise_floor, case[0].noise_floor)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"solver": "lp"}, "`solver` must be one of"),
        ({"noise_bound": -1.0}, "`noise_bound` must be finite and at least 0"),
        ({"value_noise": -1.0}, "`value_noise` must be at least 0, got -1.0"),
        ({"tolerance": -1.0}, "`tolerance` must be positive"),
        ({"max_iterations": 0}, "`max_iterations` must be a positive integer"),
        ({"weights": torch.ones(4)}, r"`weights` must be broadcastable to .*2, 8\)"),
        ({"weights": torch.zeros(8)}, "`weights` must be positive floating"),
    ],
)
def test_bad_options_before_the_first_forward(options, message):
    def refuse(x):
        raise AssertionError("evaluated")

    with pytest.raises(ValueError, match=message):
        AndOrInteraction(refuse).interactions(torch.zeros(1, 3), **options)
    with pytest.raises(ValueError, match="at most 18 players"):
        AndOrInteraction(refuse).interactions(torch.zeros(1, 19))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda r: r.top_k(0), "`k` must be a positive integer, got 0"),
        (lambda r: r.top_k(2, min_size=3, max_size=2), "`min_size, max_size` must"),
        (lambda r: r.salient(1.0), r"`threshold` must be inside \(0, 1\), got 1.0"),
        (lambda r: r.reconstruct(None, 0.0), r"`threshold` must be inside \(0, 1\)"),
        (lambda r: r.terms_for_share(2.0), r"`share` must be inside \(0, 1\)"),
        (lambda r: r.interaction_index("SI"), "`index` must be one of"),
        (lambda r: r.multi_order([3]), "`orders`"),
    ],
)
def test_bad_questions_to_a_result(case, call, message):
    with pytest.raises(ValueError, match=message):
        call(case[0])
