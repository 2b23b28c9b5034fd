"""Every definition, property and theorem of the slides on random tables, exactly.

The printed form and, where it is no identity, the corrected one. Errors are the
largest over games of 4, 5 and 6 players and several seeds, whose values are standard
normal. The tests of the package check the corrected forms for more games.
"""

from __future__ import annotations

from math import comb

import torch

from captum_interactions import functional as F
from captum_interactions.functional.coalition_readings import read_coalition
from slides.checking import (
    EXACT,
    dummy,
    exact,
    mended,
    restricted,
    shapley_by_definition,
    size,
    symmetrized,
    tables,
)
from slides.order_formulas import attack_claims, order_claims
from slides.report import FAILS, ONLY_IF, Claim


def shapley_claims():
    """Slides on Shapley values."""
    slide = "Preliminaries: Shapley values"

    def own(t):
        return F.shapley_values(dummy(t))[1] - 0.7

    def premise(t):  # at S = ∅ it reads v({i}) = v(∅) + v({i})
        t = dummy(t)
        return t[2] - (t[0] + t[2])

    def same(t):
        phi = F.shapley_values(symmetrized(t))
        return phi[0] - phi[1]

    def strong_premise(t):  # S may hold j: then it reads v(S ∪ {i}) = v(S)
        t = symmetrized(t)
        codes = torch.arange(len(t))
        codes = codes[(codes & 1) == 0]
        return t[codes | 1] - t[codes | 2]

    return [
        exact(
            slide,
            "efficiency: v(N) = v(∅) + Σ φ(i)",
            lambda t: shapley_by_definition(t).sum() - t[-1] + t[0],
        ),
        exact(
            slide,
            "linearity: φ of a sum of games is the sum",
            lambda t: (
                F.shapley_values(t + t.flip(0).sin())
                - F.shapley_values(t)
                - F.shapley_values(t.flip(0).sin())
            ),
        ),
        mended(
            slide,
            "dummy: v(S∪{i}) = v(S) + v({i}) for all S gives φ(i) = v({i}) − v(∅)",
            premise,
            own,
            "premise v(S∪{i}) − v(S) = v({i}) − v(∅); as printed S = ∅ asks v(∅) = 0, "
            "so it says nothing of other games",
            verdict=ONLY_IF,
        ),
        mended(
            slide,
            "symmetry: v(S∪{i}) = v(S∪{j}) for all S ⊆ N∖{i} gives φ(i) = φ(j)",
            strong_premise,
            same,
            "premise for S ⊆ N∖{i,j}; as printed it also asks v(S∪{i}) = v(S) where j "
            "∈ S, which symmetric players do not satisfy",
            verdict=ONLY_IF,
        ),
    ]


def pair_claims():
    """Slides on the interaction of two players."""
    slide = "Game-theoretic interactions"

    def with_less_without(t):
        present, absent = (restricted(t, 1, b) for b in (True, False))
        difference = F.shapley_values(present) - F.shapley_values(absent)
        return difference[0] - F.shapley_interaction_index(t)[0, 1]

    def plain_mean(t):
        index = F.shapley_interaction_index(t) - F.pair_index(t, "BII")
        return F.upper_pairs(index.unsqueeze(0))

    return [
        exact(slide, "I(i,j) = φ of i with j − φ of i without j", with_less_without),
        mended(
            slide + " (talk)",
            "I(i,j) = E over S ⊆ N∖{i,j} of Δv(i,j,S)",
            plain_mean,
            with_less_without,
            "E takes a size uniformly, then a set of that size; over all sets alike it "
            "is the Banzhaf index",
            verdict=ONLY_IF,
        ),
    ]


def coalition_claims():
    """Slides on B([A])."""
    slide = "Multivariate Shapley interactions"
    three = [0, 2, 3]

    def outside(t):
        t = symmetrized(t)
        return F.multivariate_interaction(t, [0, 2, 3]) - F.multivariate_interaction(
            t, [1, 2, 3]
        )

    def anywhere(t):  # A = {0, 2}: A ∪ {0} is A itself
        t = symmetrized(t)
        return F.multivariate_interaction(t, [0, 2]) - F.multivariate_interaction(
            t, [0, 1, 2]
        )

    def bound(t):
        reading = read_coalition(t, three, partitions="all")
        return (reading.significance - reading.b.abs()).clamp(max=0)

    return [
        exact(
            slide,
            "linearity of B",
            lambda t: (
                F.multivariate_interaction(t + t.flip(0), three)
                - F.multivariate_interaction(t, three)
                - F.multivariate_interaction(t.flip(0), three)
            ),
        ),
        exact(
            slide,
            "a dummy i adds nothing: B([A∪{i}]) = B([A])",
            lambda t: (
                F.multivariate_interaction(dummy(t), [0, 1, 2])
                - F.multivariate_interaction(dummy(t), [0, 2])
            ),
            "with the premise of the dummy axiom corrected as above",
        ),
        mended(
            slide,
            "symmetric i, j: B([A∪{i}]) = B([A∪{j}]) for all A ⊊ N",
            anywhere,
            outside,
            "for A ⊆ N∖{i,j}; an A that holds i but not j is a counter-example",
        ),
        exact(slide, "T = B_max − B_min measures both signs: T ≥ |B|", bound),
        exact(
            slide,
            "for two players B is I(i,j)",
            lambda t: (
                F.multivariate_interaction(t, [0, 1])
                - F.shapley_interaction_index(t)[0, 1]
            ),
        ),
    ]


def and_claims():
    """Slides on I(S), its Shapley readings, and orders of coalitions."""
    slide = "Multi-variate interaction"

    def with_empty(t):
        return t[0] + F.moebius(t).sum() - t[-1]

    def without_empty(t):
        return t[0] + F.moebius(t)[1:].sum() - t[-1]

    def low_orders(t):
        n, dividends = size(t), F.moebius(t)
        sizes = F.coalition_sizes(n)
        errors = []
        for m in range(n):
            large = torch.where(sizes > m + 1, dividends, 0.0)
            errors.append(F.multi_order_shapley(F.zeta(large))[m])
        return torch.stack(errors)

    def conditional(t):
        """Σ_T p(T) I({0,1} | T) with the weights of the Shapley index."""
        n, total = size(t), 0.0
        for code in range(0, len(t), 4):
            players = F.coalition_members(code)
            weight = 1 / ((n - 1) * comb(n - 2, len(players)))
            own = F.conditional_and_interaction(F.moebius(t), 3, code)
            total = total + weight * own
        return total - F.shapley_interaction_index(t)[0, 1]

    def triggered(t):
        n = size(t)
        masks = F.all_masks(n)
        shares = torch.stack(
            [(masks | ~member).all(-1).double().mean() for member in masks]
        )
        return shares - 0.5 ** masks.sum(-1)

    return [
        mended(
            slide,
            "v(N) = v(∅) + Σ_{S ⊆ N} I(S)",
            with_empty,
            without_empty,
            "the sum leaves out S = ∅: I(∅) = v(∅) would count twice",
        ),
        exact(
            "Activation rate of different interaction patterns",
            "P(I(S) ≠ 0) = 0.5^m, m = |S|",
            triggered,
            "that all of S is present, for inputs drawn uniformly from all 2^n",
        ),
        exact(
            "How to reduce low-order interactions",
            "low-order Shapley values only contain low-order interactions",
            low_orders,
            "φ^(m) (m players of context) holds AND interactions of |S| ≤ m + 1",
        ),
        exact(
            "Connections between multi-variate interaction and other metrics",
            "φ(i) = Σ_{S∋i} I(S)/|S|",
            lambda t: (
                F.shapley_values_from_and(F.moebius(t)) - shapley_by_definition(t)
            ),
        ),
        exact(
            "Connections between multi-variate interaction and other metrics",
            "I_shap(S) = Σ_T p(T) I(S | env T)",
            conditional,
            "with p(T) = |T|!(n−|S|−|T|)!/(n−|S|+1)!, which the slide leaves out",
        ),
    ]


def dropout_claims():
    """Dropout on contexts: |I^(s)| with and without, at a keep rate of one half."""
    slide = "The Link between Interactions and the Network's Generalization Ability"
    claims = []
    for name, games in (
        ("random games", list(tables(20))),
        ("games with non-negative I(S)", [F.zeta(t.abs()) for t in tables(20)]),
    ):
        held, total = 0, 0
        for table in games:
            before, after = dropped(table, 0.5)
            held += int((after <= before + EXACT).sum())
            total += before.numel()
        claims.append((name, held / total))
    found = "; ".join(
        f"{name}: {share:.0%} of pairs and orders" for name, share in claims
    )
    return [
        Claim(
            slide,
            "dropout decreases the strength of interactions (theorem)",
            f"|I_dropout^(s)| ≤ |I^(s)|: {found}. The proof assumes that most of the "
            "patterns' contributions have one sign",
            ONLY_IF if claims[1][1] == 1 > claims[0][1] else FAILS,
        )
    ]


def dropped(table, keep):
    """|I^(s)| of all pairs, and |E I_dropout^(s)|: I(T) loses keep^(|T| − 2)."""
    dividends = F.moebius(table)
    sizes = F.coalition_sizes(size(table))
    factor = keep ** (sizes - 2).clamp(min=0).double()
    before = F.multi_order_interaction_from_and(dividends)
    after = F.multi_order_interaction_from_and(factor * dividends)
    return F.upper_pairs(before).abs(), F.upper_pairs(after).abs()


def run(quick=False):
    """Return all claims that are formulas, in the order of the slides."""
    return [
        *shapley_claims(),
        *pair_claims(),
        *coalition_claims(),
        *order_claims(),
        *and_claims(),
        *dropout_claims(),
        *attack_claims(),
    ]
