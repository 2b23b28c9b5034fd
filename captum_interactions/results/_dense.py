"""Whether a short list of coalitions says what v does."""

from __future__ import annotations

from torch import Tensor

__all__ = ["SHOWN", "dense_note", "strongest"]

# As many as a person reads; with less than half of the variance of v they mislead.
SHOWN = 10
_DENSE = 0.5


def strongest(interactions: Tensor, k: int) -> Tensor:
    """Keep the k largest magnitudes along the last axis, and put 0 for the rest."""
    best = interactions.abs().topk(min(k, interactions.shape[-1]), dim=-1).indices
    kept = interactions.gather(-1, best)
    return interactions.new_zeros(interactions.shape).scatter(-1, best, kept)


def dense_note(r_squared: float) -> str:
    """Return a line that warns of a dense game, or nothing.

    Example:
        >>> dense_note(0.9)
        ''
    """
    if r_squared >= _DENSE:
        return ""
    size = f"{r_squared:.2f}" if r_squared > 0 else "below 0"
    return (
        f"\n  dense: the {SHOWN} strongest coalitions give v back with R² {size}; read "
        "pairs, Shapley values, orders or a tree"
    )
