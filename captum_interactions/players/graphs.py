"""Edges of a graph as players."""

from __future__ import annotations

import torch
from torch import Tensor

from captum_interactions._checks import bad_value
from captum_interactions._signature import checked

__all__ = ["edge_mask"]


@checked
def edge_mask(
    edge_index: Tensor,  # (2, edges)
) -> tuple[Tensor, tuple[str, ...]]:
    """Players of a graph's edges; both directions of an edge are one player.

    Args:
        edge_index: Source and target of each directed edge, ``(2, edges)``.

    Returns:
        A feature mask for flags of the edges, ``(1, edges)``, with ids in the order of
        (smaller node, larger node); and the players' names, such as ``"0–3"``.

    Raises:
        ValueError: If the shape is another, or there is no edge.

    Example:
        >>> edge_mask(torch.tensor([[0, 1, 2, 1], [1, 0, 1, 2]]))
        (tensor([[0, 0, 1, 1]]), ('0–1', '1–2'))
    """
    if edge_index.dim() != 2 or len(edge_index) != 2 or edge_index.shape[1] == 0:
        bad_value(
            "edge_index",
            "of shape (2, edges), with an edge",
            f"shape {tuple(edge_index.shape)}",
            "a graph without edges has its nodes as players",
        )
    ends = torch.stack([edge_index.amin(0), edge_index.amax(0)])
    pairs, players = torch.unique(ends, dim=1, return_inverse=True)
    names = tuple(f"{i}–{j}" for i, j in pairs.T.tolist())  # noqa: RUF001
    return players.unsqueeze(0), names
