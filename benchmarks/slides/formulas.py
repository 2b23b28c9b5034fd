"""Every definition, property and theorem of the slides on random tables, exactly.

The printed form and, where it is no identity, the corrected one. Errors are the
largest over games of 4, 5 and 6 players and several seeds, whose values are standard
normal. The tests of the package check the corrected forms for more games.
"""

from __future__ import annotations

from math import comb

import torch

from captum_interactions import functional as F
from slides.report import FAILS, HOLDS, MISPRINT, ONLY_IF, Claim

EXACT = 1e-10


def tables(seeds=5):
    """Random games, ``(2**n,)`` each; v(∅) ≠ 0."""
    for n in (4, 5, 6):
        for seed in range(seeds):
            generator = torch.Generator().manual_seed(seed)
            yield torch.randn(1 << n, generator=generator, dtype=torch.float64)


def largest(check, games=None):
    """Largest error of ``check(table)`` over games."""
    chosen = tables() if games is None else games
    return max(float(torch.as_tensor(check(table)).abs().max()) for table in chosen)


def size(table):
    """Players of a table."""
    return F.n_players(table)


def exact(slide, says, check, where=""):
    """A claim that is an identity."""
    error = largest(check)
    found = f"error {error:.0e}" + (f"; {where}" if where else "")
    return Claim(slide, says, found, HOLDS if error < EXACT else FAILS)


def mended(slide, says, printed, corrected, form, where="", verdict=MISPRINT):
    """A claim whose printed form is no identity while the corrected one is."""
    off, error = largest(printed), largest(corrected)
    found = f"as printed off by {off:.2g}\ncorrected: {form}: error {error:.0e}"
    found += f"; {where}" if where else ""
    if error >= EXACT:
        return Claim(slide, says, found, FAILS)
    return Claim(slide, says, found, HOLDS if off < EXACT else verdict)


def restricted(table, player, present):
    """The game of the other players while one is present, or absent, throughout."""
    codes = torch.arange(len(table))
    return table[((codes >> player) & 1).bool() == present]


def shapley_by_definition(table):
    """Σ_S |S|!(n−|S|−1)!/n! · [v(S∪{i}) − v(S)], without the package."""
    n = size(table)
    codes = torch.arange(len(table))
    sizes = sum((codes >> i) & 1 for i in range(n))
    chances = [1 / (n * comb(n - 1, s)) for s in range(n)]
    weights = torch.tensor(chances, dtype=torch.float64)
    values = []
    for i in range(n):
        without = codes[((codes >> i) & 1) == 0]
        gains = table[without | 1 << i] - table[without]
        values.append((weights[sizes[without]] * gains).sum())
    return torch.stack(values)


def dummy(table, player=1, worth=0.7):
    """A game in which a player always adds ``worth``, whatever v(∅) is."""
    codes = torch.arange(len(table))
    return table[codes & ~(1 << player)] + worth * ((codes >> player) & 1).double()


def symmetrised(table):
    """A game in which players 0 and 1 may change places."""
    n = size(table)
    return table + F.relabel_players(table, [1, 0, *range(2, n)])


def mean_rows(table):
    """Mean over j of I^(m)(i,j), ``(n − 1, n)``."""
    return F.multi_order_interaction(table).sum(-1) / (size(table) - 1)


def utilities(table):
    """Σ over ordered pairs and orders of J^(m)."""
    orders = F.multi_order_interaction(table)
    return F.order_utility(orders, list(range(size(table) - 1))).sum()


def shapley_claims():
    """Slides on Shapley values."""
    slide = "Preliminaries: Shapley values"

    def own(t):
        return F.shapley_values(dummy(t))[1] - 0.7

    def premise(t):  # at S = ∅ it reads v({i}) = v(∅) + v({i})
        t = dummy(t)
        return t[2] - (t[0] + t[2])

    def same(t):
        phi = F.shapley_values(symmetrised(t))
        return phi[0] - phi[1]

    def strong_premise(t):  # S may hold j: then it reads v(S ∪ {i}) = v(S)
        t = symmetrised(t)
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
        index = F.shapley_interaction_index(t) - F.banzhaf_interaction_index(t)
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
        t = symmetrised(t)
        return F.multivariate_interaction(t, [0, 2, 3]) - F.multivariate_interaction(
            t, [1, 2, 3]
        )

    def anywhere(t):  # A = {0, 2}: A ∪ {0} is A itself
        t = symmetrised(t)
        return F.multivariate_interaction(t, [0, 2]) - F.multivariate_interaction(
            t, [0, 1, 2]
        )

    def bound(t):
        reading = F.read_coalition(t, three, partitions="all")
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
        orders = F.multi_order_interaction(symmetrised(t))
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
