"""What merging two constituents of a tree is worth, as table arithmetic.

A tree grows over a list P of constituents: disjoint groups of players, each of which
acts as one player. With Φ(X; O) = E_U[v(U∪X) − v(U)], U ⊆ O drawn as the Shapley value
draws it among the constituents in O,

    B_P(k) = Φ(k; P∖k) − Σ_{j∈k} Φ(j; P∖k)                inside constituent k
    B(S)   = Φ(S; O)  − Σ_{j∈S} Φ(j; O)                   inside the union S = l∪r
    B_between = B(S) − B_P(l) − B_P(r),                   O = P∖{l, r} from here on
    c_l = B_P(l) + Σ_{j∈l} ½[Φ(j; O) + Φ(j; P∖l)]         what each side contributes
    ψ_inter = Φ(S; O) − Φ(l; O) − Φ(r; O),  ψ_intra = B_between − ψ_inter.

ψ_inter is the Shapley interaction index of l and r in the game whose players are the
constituents. ψ_intra is how much the interactions inside l and inside r change when the
other side is no longer there to be played with.

Contexts are drawn over all of P and cut down to O: if every constituent joins with the
same probability t, uniform on [0, 1], then U∩O has the Shapley distribution for every
O, and one set of contexts serves all figures of all pairs.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from captum_interactions._signature import checked
from captum_interactions.functional.coalitions import accumulation_dtype, n_players
from captum_interactions.functional.merge_plan import (
    MergeFigures,
    merge_plan,
    shapley_contexts,
)

__all__ = [
    "merge_figures",
]

# Float64 differences below this fraction of the spread of v are rounding.
_ROUNDING = 1e-10


@checked
def merge_figures(
    table: Tensor,  # (*batch, 2**n)
    constituents: Sequence[int],
    pairs: Sequence[tuple[int, int]],
) -> MergeFigures:
    """Exact figures of some candidate pairs of constituents.

    Args:
        table: v(S) of all coalitions, ``(*batch, 2**n)``.
        constituents: Codes of the disjoint constituents P; players in none of them are
            absent throughout.
        pairs: Positions (l, r) in P of the pairs; pairs that share a constituent are
            neighbors in ``r`` and ``s``.

    Returns:
        The figures, each ``(*batch, pairs)``.

    Raises:
        ValueError: If the last axis is not a power of two long.

    References:
        Zhang et al., "Building interpretable interaction trees for deep NLP models"
        (AAAI 2021), as in the authors' code; ``dependence`` is ours.

    Example:
        >>> import torch
        >>> v = torch.tensor([0.0, 0, 0, 1, 0, 0, 0, 1])  # x0·x1
        >>> figures = merge_figures(v, [1, 2, 4], [(0, 1), (1, 2)])
        >>> torch.stack([figures.b_between, figures.dependence]).round(decimals=6)
        tensor([[1., 0.],
                [1., 0.]], dtype=torch.float64)
    """
    n_players(table)
    plan = merge_plan(constituents, pairs)
    contexts, weights = shapley_contexts(len(constituents), table.device)
    v = table.to(accumulation_dtype(table.device))
    expected = v[..., plan.coalitions(contexts)] @ weights.to(v)
    return plan.read(expected, _ROUNDING * (v.amax(-1) - v.amin(-1)))
