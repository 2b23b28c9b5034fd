"""How many tokens the coalitions of a prompt cost, before anything runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from captum_interactions._signature import checked_methods
from captum_interactions.games._prefix_tree import player_order
from captum_interactions.players import PromptPiece

__all__ = ["PromptCost", "row_tokens", "tree_tokens"]


@checked_methods
@dataclass(frozen=True)
class PromptCost:
    """What an evaluation would cost.

    Attributes:
        rows: Coalitions to evaluate that were not evaluated before.
        tokens: Tokens of all their rows and responses, each row by itself.
        tree_tokens: Tokens if shared beginnings are evaluated once.
    """

    rows: int
    tokens: int
    tree_tokens: int

    def __str__(self) -> str:
        return (
            f"{self.rows:,} rows, {self.tokens:,} tokens one by one, "
            f"{self.tree_tokens:,} with shared beginnings"
        )


def row_tokens(
    pieces: Sequence[PromptPiece],
    masks: Tensor | None,
    responses: Sequence[Sequence[int]],
) -> int:
    """Tokens of the rows of some coalitions (None: all), each with every response.

    A response of one token is read where another one's first token is.
    """
    n = len(player_order(pieces))
    total = 0
    for piece in pieces:
        if piece.owner is None:
            present = absent = (1 << n) if masks is None else len(masks)
            total += present * len(piece.ids)
            continue
        if masks is None:
            present = absent = 1 << (n - 1)
        else:
            present = int(masks[:, piece.owner].sum())
            absent = len(masks) - present
        total += present * len(piece.ids) + absent * len(piece.absent)
    rows = (1 << n) if masks is None else len(masks)
    again = [r for r in responses[1:] if len(r) > 1]
    return (
        total * (1 + len(again))
        + rows * (len(responses[0]) - 1)
        + rows * sum(len(r) - 1 for r in again)
    )


def tree_tokens(
    pieces: Sequence[PromptPiece],
    masks: Tensor | None,
    responses: Sequence[Sequence[int]],
    min_range: int = 2,
) -> int:
    """Tokens that :class:`PrefixTree` evaluates for some distinct coalitions.

    For all 2**n, with header h, segments l_1..l_n, footer f and response r, it is
    h + Σ_k 2**(k−1) l_k + 2**n (f + r − 1).
    """
    tail = sum(len(r) - 1 for r in responses)
    if masks is None:
        return _complete_tokens(pieces, tail)
    order = player_order(pieces)
    rows = sorted(masks[:, order].tolist(), reverse=True)
    sorted_masks = torch.tensor(rows).reshape(len(rows), len(order))
    # Where each coalition first differs from the one before it in the list.
    differs = sorted_masks[1:] != sorted_masks[:-1]
    first = differs.long().argmax(1)
    position = {player: k for k, player in enumerate(order)}
    total, depth = len(rows) * tail, 0
    left = torch.zeros(len(rows), dtype=torch.long)  # tokens of each leaf
    for piece in pieces:
        lengths = torch.full((len(rows),), len(piece.ids))
        if piece.owner is not None:
            depth = max(depth, position[piece.owner] + 1)
            there = sorted_masks[:, position[piece.owner]]
            lengths = torch.where(there, len(piece.ids), len(piece.absent))
        new = torch.cat([torch.ones(1, dtype=torch.bool), first < depth])
        group = new.long().cumsum(0) - 1
        shared = group.bincount()[group] >= min_range
        total += int(lengths[new & shared].sum())
        left += torch.where(shared, 0, lengths)
    # A leaf with nothing left evaluates its last token again, to read its logits.
    return total + int(left.clamp(min=1).sum())


def _complete_tokens(pieces: Sequence[PromptPiece], tail: int) -> int:
    order = player_order(pieces)
    n, depth, total = len(order), 0, 0
    for piece in pieces:
        if piece.owner is None:
            total += (1 << depth) * len(piece.ids)
            continue
        depth = max(depth, order.index(piece.owner) + 1)
        total += (1 << (depth - 1)) * (len(piece.ids) + len(piece.absent))
    return total + _repeated(pieces, order) + (1 << n) * tail


def _repeated(pieces: Sequence[PromptPiece], order: Sequence[int]) -> int:
    """Coalitions of a complete tree with nothing left after what they share."""
    last = next(k for k, p in enumerate(pieces) if p.owner == order[-1])
    rest = pieces[last:]
    if any(p.owner is None and p.ids for p in rest):
        return 0
    # Players of the rest decide by themselves whether a token is left.
    owners = {p.owner for p in rest}
    empty = 1
    for owner in owners:
        mine = [p for p in rest if p.owner == owner]
        empty *= int(not any(p.ids for p in mine)) + int(
            not any(p.absent for p in mine)
        )
    return empty << (len(order) - len(owners))
