"""Slow references, each written from its definition with loops over sets.

Nothing here imports the package: agreement with it is evidence. A game is a function
from a frozenset of players to a number (``Fraction``, ``float``); tables are lists
indexed by Σ 2**i.
"""

from __future__ import annotations

from itertools import combinations, pairwise
from math import comb, factorial, inf, isinf, sqrt

import numpy as np


def subsets(players):
    players = sorted(players)
    for size in range(len(players) + 1):
        for members in combinations(players, size):
            yield frozenset(members)


def code(coalition):
    return sum(2**player for player in coalition)


def table(game, n):
    """List of v(S) in the order of codes."""
    values = [None] * 2**n
    for coalition in subsets(range(n)):
        values[code(coalition)] = game(coalition)
    return values


def as_game(values):
    """The set function of a table."""
    return lambda coalition: values[code(coalition)]


def and_interaction(game, coalition):
    """I(S) = Σ_{L⊆S} (−1)^{|S|−|L|} v(L)."""
    return sum(
        (-1) ** (len(coalition) - len(part)) * game(part) for part in subsets(coalition)
    )


def or_interaction(game, coalition, n):
    """I_or(S) = −Σ_{L⊆S} (−1)^{|S|−|L|} v(N∖L); v(∅) for the empty set."""
    if not coalition:
        return game(frozenset())
    everyone = frozenset(range(n))
    return -sum(
        (-1) ** (len(coalition) - len(part)) * game(everyone - part)
        for part in subsets(coalition)
    )


def marginal(game, i, context):
    return game(context | {i}) - game(context)


def delta(game, i, j, context):
    """Δv(i,j,S) = v(S∪{i,j}) − v(S∪{i}) − v(S∪{j}) + v(S)."""
    return (
        game(context | {i, j})
        - game(context | {i})
        - game(context | {j})
        + game(context)
    )


def shapley_value(game, i, n):
    """Σ_S |S|!(n−|S|−1)!/n! · [v(S∪{i}) − v(S)]."""
    total = 0
    for context in subsets(set(range(n)) - {i}):
        s = len(context)
        weight = factorial(s) * factorial(n - s - 1)
        total += weight * marginal(game, i, context)
    return total / factorial(n)


def banzhaf_value(game, i, n):
    contexts = list(subsets(set(range(n)) - {i}))
    return sum(marginal(game, i, context) for context in contexts) / len(contexts)


def derivative(game, coalition, context):
    """Discrete derivative Δ_S v(T) = Σ_{L⊆S} (−1)^{|S|−|L|} v(T∪L)."""
    return sum(
        (-1) ** (len(coalition) - len(part)) * game(context | part)
        for part in subsets(coalition)
    )


def shapley_interaction(game, coalition, n):
    """Σ_T |T|!(n−|T|−s)!/(n−s+1)! · Δ_S v(T), T ⊆ N∖S."""
    s = len(coalition)
    total = 0
    for context in subsets(set(range(n)) - coalition):
        t = len(context)
        weight = factorial(t) * factorial(n - t - s)
        total += weight * derivative(game, coalition, context)
    return total / factorial(n - s + 1)


def banzhaf_interaction(game, coalition, n):
    contexts = list(subsets(set(range(n)) - coalition))
    return sum(derivative(game, coalition, t) for t in contexts) / len(contexts)


def chaining_interaction(game, coalition, n):
    """Σ_T s·(n−s−t)!(s+t−1)!/n! · Δ_S v(T) for S ≠ ∅ (Marichal & Roubens, 1999)."""
    s = len(coalition)
    total = 0
    for context in subsets(set(range(n)) - coalition):
        t = len(context)
        weight = s * factorial(n - s - t) * factorial(s + t - 1)
        total += weight * derivative(game, coalition, context)
    return total / factorial(n)


def shapley_taylor(game, coalition, n, k=2):
    """Δ_S v(∅) below order k; (k/n) Σ_T Δ_S v(T)/C(n−1, t) at order k."""
    if len(coalition) < k:
        return derivative(game, coalition, frozenset())
    return (
        k
        * sum(
            derivative(game, coalition, context) / comb(n - 1, len(context))
            for context in subsets(set(range(n)) - coalition)
        )
        / n
    )


def k_sii_single(game, i, n):
    """Order-2 k-SII of a player: φ_i − ½ Σ_{j≠i} I(i,j)."""
    pairs = sum(
        shapley_interaction(game, frozenset({i, j}), n) for j in range(n) if j != i
    )
    return shapley_value(game, i, n) - pairs / 2


def faithful(game, n, k, weight):
    """Coefficients of the polynomial Σ_{S⊆T, |S|≤k} I(S) nearest to v(T).

    Least squares with ``weight(|T|, n)``; an infinite weight makes it exact there.
    Returns a dictionary of coalitions.
    """
    terms = [s for s in subsets(range(n)) if len(s) <= k]
    rows, values, exact, fixed = [], [], [], []
    for t in subsets(range(n)):
        w = weight(len(t), n)
        row = [float(s <= t) for s in terms]
        if isinf(w):
            exact.append(row)
            fixed.append(game(t))
        else:
            rows.append([sqrt(w) * entry for entry in row])
            values.append(sqrt(w) * game(t))
    a, b = np.array(rows).reshape(-1, len(terms)), np.array(values)
    c, d = np.array(exact).reshape(-1, len(terms)), np.array(fixed)
    # The optimality conditions with multipliers of the exact rows.
    zero = np.zeros((len(c), len(c)))
    system = np.block([[a.T @ a, c.T], [c, zero]])
    solved = np.linalg.lstsq(system, np.concatenate([a.T @ b, d]), rcond=None)[0]
    return dict(zip(terms, solved[: len(terms)].tolist(), strict=True))


def shapley_kernel(size, n):
    """(n − 1)/(C(n, s)·s·(n − s)), infinite at ∅ and N."""
    if size in (0, n):
        return inf
    return (n - 1) / (comb(n, size) * size * (n - size))


def walsh_coefficient(game, coalition, n):
    """2^(−n) Σ_T (−1)^{|S∩T|} v(T)."""
    return sum((-1) ** len(coalition & t) * game(t) for t in subsets(range(n))) / 2**n


def group_delta(game, a, b, context):
    """Δf(S,A,B) = f(S∪A∪B) − f(S∪A) − f(S∪B) + f(S)."""
    return game(context | a | b) - game(context | a) - game(context | b) + game(context)


def interaction_of_order(game, i, j, m, n):
    """I^(m)(i,j): mean of Δv(i,j,S) over contexts S of m players."""
    contexts = [s for s in subsets(set(range(n)) - {i, j}) if len(s) == m]
    return sum(delta(game, i, j, s) for s in contexts) / len(contexts)


def mean_of_size(game, k, n):
    """v̄(k): mean of v over coalitions of k players."""
    coalitions = [s for s in subsets(range(n)) if len(s) == k]
    return sum(game(s) for s in coalitions) / len(coalitions)


def mean_pair_interaction(game, n):
    """Mean of I(i,j) over ordered pairs of different players."""
    pairs = [frozenset({i, j}) for i in range(n) for j in range(n) if i != j]
    return sum(shapley_interaction(game, pair, n) for pair in pairs) / len(pairs)


def marginal_order_strength(game, m, n):
    """Σ_i E_{S⊆N∖{i}, |S|=m} |v(S∪{i}) − v(S)|."""
    total = 0
    for i in range(n):
        contexts = [s for s in subsets(set(range(n)) - {i}) if len(s) == m]
        total += sum(abs(marginal(game, i, s)) for s in contexts) / len(contexts)
    return total


def masked(x, baseline, coalition):
    """The input whose absent players are at the baseline."""
    return [x[i] if i in coalition else baseline[i] for i in range(len(x))]


def and_or_value(and_terms, or_terms, constant=0):
    """V(T) = constant + Σ_{S⊆T} I_and(S) + Σ_{S∩T≠∅} I_or(S), from lists of terms."""
    return lambda coalition: (
        constant
        + sum(w for members, w in and_terms.items() if members <= coalition)
        + sum(w for members, w in or_terms.items() if members & coalition)
    )


def block_value(game, block, coalition, n):
    """φ_A(C): C plays as one player against N∖A, the rest of A stays absent."""
    others = set(range(n)) - set(coalition)
    o = len(others)
    total = 0
    for context in subsets(others):
        s = len(context)
        weight = factorial(s) * factorial(o - s)
        total += weight * (game(context | frozenset(block)) - game(context))
    return total / factorial(o + 1)


def multivariate(game, coalition, n):
    """B([A]) = φ_A(A) − Σ_{i∈A} φ_A({i})."""
    return partition_value(game, [coalition], n)


def partition_value(game, partition, n):
    """B(Ω) = Σ_{C∈Ω} φ_A(C) − Σ_{i∈A} φ_A({i})."""
    coalition = frozenset().union(*partition)
    blocks = sum(block_value(game, block, coalition, n) for block in partition)
    return blocks - sum(block_value(game, {i}, coalition, n) for i in coalition)


def run_partitions(members):
    """All partitions into runs of consecutive members."""
    members = sorted(members)
    for cuts in subsets(range(1, len(members))):
        ends = [0, *sorted(cuts), len(members)]
        yield [members[a:b] for a, b in pairwise(ends)]


def set_partitions(members):
    """All partitions: the last member joins each block in turn, or opens one."""
    *rest, last = sorted(members)
    if not rest:
        yield [[last]]
        return
    for partition in set_partitions(rest):
        for k in range(len(partition)):
            yield [[*b, last] if i == k else b for i, b in enumerate(partition)]
        yield [*partition, [last]]


def group_value(game, group, others):
    """Shapley value of a group as one player among other groups."""
    o = len(others)
    total = 0
    for chosen in subsets(range(o)):
        context = frozenset().union(*(others[k] for k in chosen))
        weight = factorial(len(chosen)) * factorial(o - len(chosen))
        total += weight * (game(context | frozenset(group)) - game(context))
    return total / factorial(o + 1)


def inside(game, group, others):
    """B of a group: its value less its players' own, the rest of it absent."""
    return group_value(game, group, others) - sum(
        group_value(game, {i}, others) for i in group
    )


def merge_figures(game, constituents, a, b):
    """Figures of merging two constituents that need no neighbors.

    Also ψ_intra from its own definition: the change of B(l) when r is deleted from the
    game, and of B(r) when l is.
    """
    groups = [frozenset(group) for group in constituents]
    left, right = groups[a], groups[b]
    rest = [group for k, group in enumerate(groups) if k not in (a, b)]
    b_left = inside(game, left, [*rest, right])
    b_right = inside(game, right, [*rest, left])
    union = inside(game, left | right, rest)

    def contribution(side, other, own):
        mean = sum(
            (group_value(game, {i}, rest) + group_value(game, {i}, [*rest, other])) / 2
            for i in side
        )
        return own + mean

    psi_intra = (inside(game, left, rest) - b_left) + (
        inside(game, right, rest) - b_right
    )
    return {
        "b_between": union - b_left - b_right,
        "b_left": b_left,
        "b_right": b_right,
        "b": union,
        "c_left": contribution(left, right, b_left),
        "c_right": contribution(right, left, b_right),
        "psi_intra": psi_intra,
        "psi_inter": union - b_left - b_right - psi_intra,
        "phi": group_value(game, left | right, rest),
    }


def contexts(n, without, size):
    """All contexts of ``size`` players among the others."""
    return [
        frozenset(c) for c in combinations(sorted(set(range(n)) - set(without)), size)
    ]


def multi_order_interaction(game, i, j, m, n):
    """Mean of Δv(i,j,S) over |S| = m, S ⊆ N∖{i,j}."""
    values = [delta(game, i, j, s) for s in contexts(n, {i, j}, m)]
    return sum(values) / len(values)


def multi_order_shapley(game, i, m, n):
    """Mean of v(S∪{i}) − v(S) over |S| = m, S ⊆ N∖{i}."""
    values = [marginal(game, i, s) for s in contexts(n, {i}, m)]
    return sum(values) / len(values)


def mean_absolute_delta(game, i, j, m, n):
    """Mean of |Δv(i,j,S)| over |S| = m."""
    values = [abs(delta(game, i, j, s)) for s in contexts(n, {i, j}, m)]
    return sum(values) / len(values)


def delta_variance(game, i, j, m, n):
    """Variance of Δv(i,j,S) over |S| = m."""
    values = [delta(game, i, j, s) for s in contexts(n, {i, j}, m)]
    mean = sum(values) / len(values)
    return sum((value - mean) ** 2 for value in values) / len(values)


def size_mean(game, k, n):
    """Mean of v over |S| = k."""
    values = [game(s) for s in contexts(n, (), k)]
    return sum(values) / len(values)


def pearson(a, b):
    mean_a, mean_b = sum(a) / len(a), sum(b) / len(b)
    covariance = sum((x - mean_a) * (y - mean_b) for x, y in zip(a, b, strict=True))
    variances = sum((x - mean_a) ** 2 for x in a) * sum((y - mean_b) ** 2 for y in b)
    return covariance / variances**0.5


def spearman(a, b):
    """Pearson correlation of ranks; a tie takes the mean of its places."""

    def places(values):
        ordered = sorted(values)
        return [
            sum(i for i, other in enumerate(ordered) if other == value)
            / ordered.count(value)
            for value in values
        ]

    return pearson(places(a), places(b))


def strongest_in_common(a, b, k):
    tops = [
        set(sorted(range(len(x)), key=lambda i, x=x: -abs(x[i]))[:k]) for x in (a, b)
    ]
    return len(tops[0] & tops[1]) / k


def removal(game, values):
    """v while the players leave N, and enter ∅, the largest attribution first."""
    order = sorted(range(len(values)), key=lambda i: -values[i])
    sets = [frozenset(order[:k]) for k in range(len(order) + 1)]
    everyone = frozenset(order)
    return [game(everyone - s) for s in sets], [game(s) for s in sets]


def pair_removal(game, pairs, n):
    """What players do together while pairs leave N, and enter ∅, the largest first.

    Figures after 0..n players; of two that come at once, the first has half of both.
    """
    ordered = sorted(pairs, key=lambda pair: -pairs[pair])
    everyone, inside = frozenset(range(n)), frozenset()
    removed, added = {0: 0.0}, {0: 0.0}
    for pair in ordered:
        inside |= set(pair)
        alone = [game(frozenset({i})) - game(frozenset()) for i in inside]
        added[len(inside)] = game(inside) - game(frozenset()) - sum(alone)
        losses = [game(everyone) - game(everyone - {i}) for i in inside]
        lost = game(everyone) - game(everyone - inside)
        removed[len(inside)] = sum(losses) - lost
    for curve in (removed, added):
        for k in range(n + 1):
            if k not in curve:
                curve[k] = (curve[k - 1] + curve[k + 1]) / 2
    return [[curve[k] for k in range(n + 1)] for curve in (removed, added)]


def ablation(game, n):
    """v(N) − v(N∖{i}) of every player."""
    everyone = frozenset(range(n))
    return [game(everyone) - game(everyone - {i}) for i in range(n)]


def player_sums(values, mask, n):
    """Σ of attributions over the elements of each player; nested lists, flattened."""
    sums = [0.0] * n
    for value, player in zip(values, mask, strict=True):
        sums[player] += value
    return sums
