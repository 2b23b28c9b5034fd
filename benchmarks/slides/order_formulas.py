"""What the slides say of multi-order interactions, on random tables."""

from __future__ import annotations

from math import comb

import torch

from captum_interactions import functional as F
from slides.checking import (
    EXACT,
    dummy,
    exact,
    mean_rows,
    mended,
    size,
    symmetrized,
    utilities,
)
from slides.report import FAILS, ONLY_IF, Claim


def order_claims():
    """Slides on multi-order interactions, of both decks."""
    slide = "Multi-order interactions: properties"

    def accumulation(t):
        phi, rows = F.multi_order_shapley(t), mean_rows(t)
        return torch.stack([phi[m] - phi[0] - rows[:m].sum(0) for m in range(size(t))])

    def printed_accumulation(t):
        return mean_rows(t).mean(0) + F.multi_order_shapley(t)[0] - F.shapley_values(t)

    def mended_accumulation(t):
        n = size(t)
        weights = torch.arange(n - 1, 0, -1).double() / n
        whole = F.multi_order_shapley(t)[0] + (weights[:, None] * mean_rows(t)).sum(0)
        return whole - F.shapley_values(t)

    def solo(t):
        return F.multi_order_shapley(t)[0].sum() - t[-1] + t[0]

    def summability(t):
        n, phi = size(t), F.multi_order_shapley(t)
        chain = phi[-1] - phi[0] - mean_rows(t).sum(0)
        index = F.shapley_interaction_index(t).sum(-1) - mean_rows(t).sum(0)
        full = (1 << n) - 1
        merged = torch.stack(
            [t[full] - t[full ^ (1 << i)] - t[1 << i] + t[0] for i in range(n)]
        )
        return torch.stack([chain, index, merged - mean_rows(t).sum(0)])

    def index_is_mean(t):
        return F.multi_order_interaction(t).mean(0) - F.shapley_interaction_index(t)

    def like_players(t):
        orders = F.multi_order_interaction(symmetrized(t))
        return orders[:, 0, 2:] - orders[:, 1, 2:]

    return [
        exact(slide, "I(i,j) = mean over m of I^(m)(i,j)", index_is_mean),
        exact(
            slide,
            "φ^(m+1)(i) − φ^(m)(i) = E_j I^(m)(i,j)",
            lambda t: F.multi_order_shapley(t).diff(dim=0) - mean_rows(t),
            "“for all i, j” is a slip: j is bound by the mean",
        ),
        exact(slide, "accumulation (tutorial), m = 0..n−1", accumulation),
        mended(
            slide + " (talk)",
            "accumulation: φ(i) = E_m E_j I^(m)(i,j) + v(i) − v(∅)",
            printed_accumulation,
            mended_accumulation,
            "φ(i) = φ^(0)(i) + Σ_{k=0}^{n−2} (n−1−k)/n · E_j I^(k)(i,j)",
            "the inner cumulative sum was lost",
        ),
        mended(
            slide,
            "efficiency: Σ_{i,j∈N, i≠j} with weights (n−1−m)/(n(n−1)) (talk)",
            lambda t: solo(t) + utilities(t) / 2,
            lambda t: solo(t) + utilities(t),
            "over ordered pairs, as the tutorial's double sum is; over unordered ones "
            "the weight must be doubled",
            verdict=ONLY_IF,
        ),
        exact(
            slide,
            "linearity",
            lambda t: (
                F.multi_order_interaction(t - 3 * t.flip(0))
                - F.multi_order_interaction(t)
                + 3 * F.multi_order_interaction(t.flip(0))
            ),
        ),
        exact(
            slide,
            "a dummy has I^(m)(i,j) = 0 for all j",
            lambda t: F.multi_order_interaction(dummy(t))[:, 1],
            "for j ≠ i, and with the dummy premise corrected as above",
        ),
        exact(
            slide,
            "symmetric i, j: I^(m)(i,k) = I^(m)(j,k)",
            like_players,
            "premise for S ⊆ N∖{i,j} (talk); the tutorial's S ⊆ N asks too much",
        ),
        exact(
            slide,
            "I^(m)(i,j) = I^(m)(j,i)",
            lambda t: F.multi_order_interaction(t) - F.multi_order_interaction(t).mT,
        ),
        exact(slide, "summability, all three equalities", summability),
    ]


def attack_claims():
    """Slides on robustness that are formulas."""
    slide = "Adversarial attacks mainly affect high-order interactions"

    def parts(t):
        """V of a clean input, and of an attacked one with another v(∅)."""
        return t, t.flip(0).cos()

    def without_empty(t):
        clean, attacked = parts(t)
        change = clean - attacked
        solo = F.multi_order_shapley(change)[0].sum()
        return solo + utilities(change) - change[-1]

    def with_empty(t):
        clean, attacked = parts(t)
        return without_empty(t) + (clean - attacked)[0]

    def ratio(t, over):
        n = size(t)
        mean = F.upper_pairs(F.multi_order_interaction(t)).abs()
        absolute = F.upper_pairs(F.mean_absolute_deltas(t))
        counts = torch.tensor([comb(n - 2, m) for m in range(n - 1)]).double()
        sums = absolute * counts[:, None]
        second = mean * counts[:, None] / sums
        return (mean / sums if over == "sum" else mean / absolute) - second

    return [
        mended(
            slide,
            "Δv(N|x) = Σ Δφ^(0)(i) + Σ_{i≠j} Σ_m ΔJ^(m)(i,j)",
            without_empty,
            with_empty,
            "add Δv(∅); it is 0 where both inputs share their baseline, as here they "
            "do not. Ordered pairs again",
            verdict=ONLY_IF,
        ),
        mended(
            "Adversarial training learns more reliable low-order interactions",
            "D^(m), first line: |I^(m)| over Σ_S |Δv|",
            lambda t: ratio(t, "sum"),
            lambda t: ratio(t, "mean"),
            "|I^(m)| over the mean of |Δv|, which is the slide's own second line",
            "the printed first line is smaller by C(n−2, m)",
        ),
        mutual_information(),
    ]


def mutual_information(seed=1):
    """The talk's Proposition 1, on a random joint law of y and three binary inputs."""
    generator = torch.Generator().manual_seed(seed)
    law = torch.rand(2, 2, 2, 2, generator=generator).double()
    law /= law.sum()

    def entropy(axes):
        drop = [axis for axis in range(4) if axis not in axes]
        p = law.sum(drop) if drop else law
        return -(p * p.log()).sum()

    def conditional(inputs):
        known = [1 + i for i in inputs]
        return entropy([0, *known]) - entropy(known)

    def information(given):  # MI(X_0; X_1; Y | given)
        return (
            conditional(given)
            - conditional([*given, 0])
            - conditional([*given, 1])
            + conditional([*given, 0, 1])
        )

    table = torch.stack([conditional(F.coalition_members(code)) for code in range(8)])
    expected = torch.stack([information([]), information([2])])
    off = {
        sign: (F.multi_order_interaction(sign * table)[:, 0, 1] - expected).abs().max()
        for sign in (1, -1)
    }
    return Claim(
        "Attacks mainly affect high-order interactions (talk), Proposition 1",
        "I^(m) is the mean conditional mutual information of X_i, X_j and Y",
        f"with v(S) = +H(Y|X_S): error {off[1]:.0e}; with v = −H(Y|X_S), which is what "
        f"a log-probability is: off by {off[-1]:.2g}, the sign turns. Needs one joint "
        "law of all X_S, which masked outputs of a network do not promise",
        ONLY_IF if off[1] < EXACT < off[-1] else FAILS,
    )
