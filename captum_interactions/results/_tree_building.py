"""From grown trees to the tensors of a result."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from captum_interactions.estimators.agglomeration import FIGURES, Agglomeration
from captum_interactions.results.base import ResultInfo
from captum_interactions.results.tree import InteractionTreeResult

__all__ = ["collect_trees"]


def collect_trees(
    info: ResultInfo, criterion: str, trees: Sequence[Agglomeration]
) -> InteractionTreeResult:
    """Lay the merges of many trees out as tensors, padded to n − 1 merges.

    Args:
        info: What all results share.
        criterion: Which figure decided the merges.
        trees: One per row of the flattened lead dimensions ``(batch, *outputs)``.
    """
    n = len(info.players)
    merges = torch.zeros(len(trees), n - 1, 2, dtype=torch.int64)
    # Estimates first, standard errors second.
    figures = torch.full((2, len(trees), n - 1, len(FIGURES)), torch.nan).double()
    leaves = torch.zeros(2, len(trees), n, dtype=torch.float64)
    for row, tree in enumerate(trees):
        players = list(tree.players)
        leaves[0, row, players] = leaves.new_tensor(tree.values)
        if tree.std_error is not None:
            leaves[1, row, players] = leaves.new_tensor(tree.std_error)
        for k, merge in enumerate(tree.merges):
            merges[row, k] = torch.tensor([merge.left, merge.right])
            for which, values in enumerate((merge.figures, merge.std_error)):
                if values is not None:
                    known = [values[name] for name in FIGURES]
                    figures[which, row, k] = figures.new_tensor(known)
    sampled = trees[0].std_error is not None

    def shaped(tensor: Tensor) -> Tensor:
        return tensor.unflatten(0, info.v_full.shape).to(info.v_full.device)

    return InteractionTreeResult(
        info=info,
        criterion=criterion,
        leaves=shaped(leaves[0]),
        merges=shaped(merges),
        figures=shaped(figures[0]),
        leaf_errors=shaped(leaves[1]) if sampled else None,
        figure_errors=shaped(figures[1]) if sampled else None,
    )
