"""Games planted from a few AND and OR terms, and the linear program that splits them.

Nothing here imports the package.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.optimize import linprog
from scipy.sparse import csr_matrix

from tests import reference


def planted_terms(n, n_terms, seed, orders=(2, 3, 4)):
    """Distinct coalitions with normal weights, AND and OR in turn."""
    rng = np.random.default_rng(seed)
    and_terms, or_terms = {}, {}
    while len(and_terms) + len(or_terms) < n_terms:
        members = frozenset(
            rng.choice(n, size=int(rng.choice(orders)), replace=False).tolist()
        )
        terms = and_terms if len(and_terms) <= len(or_terms) else or_terms
        if members not in and_terms and members not in or_terms:
            terms[members] = float(rng.normal()) * 2
    return and_terms, or_terms


def planted_table(n, and_terms, or_terms):
    codes = np.arange(2**n)
    values = np.zeros(2**n)
    for members, weight in and_terms.items():
        code = reference.code(members)
        values += weight * ((codes & code) == code)
    for members, weight in or_terms.items():
        values += weight * ((codes & reference.code(members)) != 0)
    return torch.from_numpy(values)


def indicator_matrices(n):
    """1[S ⊆ T] and 1[S ∩ T ≠ ∅] for T, S ≠ ∅, rows T."""
    codes = np.arange(1, 2**n)
    inside = (codes[:, None] & codes[None]) == codes[None]
    touches = (codes[:, None] & codes[None]) != 0
    return inside.astype(float), touches.astype(float)


def linear_program(table, noise_bound=0.0, weights=None):
    """Least Σ c_and|I_and| + c_or|I_or| over all splits of v + q, by HiGHS."""
    values = np.asarray(table.tolist())
    n = len(values).bit_length() - 1
    inside, touches = indicator_matrices(n)
    columns = [inside, touches, -inside, -touches]
    one_side = np.ones((2, 2**n - 1)) if weights is None else np.asarray(weights)[:, 1:]
    cost = [one_side.ravel(), one_side.ravel()]
    limits = [(0, None)] * (4 * (2**n - 1))
    if noise_bound:  # v(T) + q(T) − v(∅) − q(∅)
        columns += [-np.eye(2**n - 1), np.ones((2**n - 1, 1))]
        cost.append(np.zeros(2**n))
        limits += [(-noise_bound, noise_bound)] * 2**n
    solved = linprog(
        np.concatenate(cost),
        A_eq=csr_matrix(np.concatenate(columns, axis=1)),
        b_eq=values[1:] - values[0],
        bounds=limits,
        method="highs",
    )
    assert solved.status == 0, solved.message
    return solved.fun
