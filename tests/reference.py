"""Slow references, each written from its definition with loops over sets.

Nothing here imports the package: agreement with it is evidence. A game is a function
from a frozenset of players to a number (``Fraction``, ``float``); tables are lists
indexed by Σ 2**i.
"""

from __future__ import annotations

from itertools import combinations
from math import comb, factorial


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


def walsh_coefficient(game, coalition, n):
    """2^(−n) Σ_T (−1)^{|S∩T|} v(T)."""
    return sum((-1) ** len(coalition & t) * game(t) for t in subsets(range(n))) / 2**n


def order_shapley_value(game, i, m, n):
    """φ^(m)(i) = E_{S⊆N∖{i}, |S|=m} [v(S∪{i}) − v(S)]."""
    contexts = [s for s in subsets(set(range(n)) - {i}) if len(s) == m]
    return sum(marginal(game, i, s) for s in contexts) / len(contexts)


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
