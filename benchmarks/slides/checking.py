"""Random games, and what makes a printed formula a claim with a verdict."""

from __future__ import annotations

from math import comb

import torch

from captum_interactions import functional as F
from captum_interactions.functional.coalitions import n_players, relabel_players
from slides.report import FAILS, HOLDS, MISPRINT, Claim

EXACT = 1e-10


def tables(seeds=5):
    """Random games, ``(2**n,)`` each; v(∅) ≠ 0."""
    for n in (4, 5, 6):
        for seed in range(seeds):
            generator = torch.Generator().manual_seed(seed)
            yield torch.randn(1 << n, generator=generator, dtype=torch.float64)


def size(table):
    """Players of a table."""
    return n_players(table)


def largest(check, games=None):
    """Largest error of ``check(table)`` over games."""
    chosen = tables() if games is None else games
    return max(float(torch.as_tensor(check(table)).abs().max()) for table in chosen)


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


def symmetrized(table):
    """A game in which players 0 and 1 may change places."""
    n = size(table)
    return table + relabel_players(table, [1, 0, *range(2, n)])


def mean_rows(table):
    """Mean over j of I^(m)(i,j), ``(n − 1, n)``."""
    return F.multi_order_interaction(table).sum(-1) / (size(table) - 1)


def utilities(table):
    """Σ over ordered pairs and orders of J^(m)."""
    orders = F.multi_order_interaction(table)
    return F.order_utility(orders, list(range(size(table) - 1))).sum()
