"""Tables of batches whose examples have different players: Σ 2^n rows, not B·2^max.

A player without elements in an example, or whose elements are its baseline there (the
padding of a sentence), changes nothing: such an example is enumerated over the others.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from captum_interactions._captum import progress_bar
from captum_interactions.games.evaluation import current_evaluation
from captum_interactions.games.masking import MaskedInputs

if TYPE_CHECKING:
    from captum_interactions.games.game import ModelGame

__all__ = ["own_players", "ragged_table"]

# Less than half of the rows must be left: smaller batches cost more passes.
_WORTHWHILE = 0.5


def own_players(masked: MaskedInputs, by_value: bool) -> Tensor:  # (batch, n) bool
    """Say which players can change the input of each example.

    Args:
        masked: Inputs, baselines and players.
        by_value: Whether players that equal their baseline don't count. Values are the
            same without them, gradients are not.
    """
    batch, n = masked.batch_size, len(masked.players)
    own = torch.zeros(batch, n, dtype=torch.uint8)
    for tensor, baseline, mask in zip(
        masked.inputs, masked.baselines, masked.players.masks, strict=True
    ):
        if not tensor.numel():
            continue
        changed = torch.ones_like(tensor, dtype=torch.bool)
        if by_value:
            changed = (tensor != baseline).any(0)
        players = mask.expand(batch, *tensor.shape[1:]).reshape(batch, -1).cpu()
        changed = changed.reshape(batch, -1).to("cpu", torch.uint8)
        own.scatter_reduce_(1, players, changed, "amax")
    own[:, 0] |= ~own.any(1)  # a game has a player
    return own.bool()


def ragged_table(game: ModelGame) -> Tensor | None:
    """Evaluate each example over its own players.

    Returns:
        v(S), ``(batch, *outputs, 2**n)``; None if that would not spare half of the
        rows, the model does not take examples apart, or blocks are stored or shared,
        which are those of whole batches.
    """
    if current_evaluation() is not None:
        return None
    masked = game._masked
    own = own_players(masked, by_value=not game._gradients)
    rows = (2.0 ** own.sum(1)).sum().item()
    if game._told or rows > _WORTHWHILE * masked.batch_size * 2**game.n_players:
        return None
    before = game.n_evaluations
    ends = torch.stack([torch.zeros(game.n_players), torch.ones(game.n_players)])
    together = game(ends.bool())
    game.n_evaluations = before
    if game._one_by_one or len(together) != masked.batch_size:
        return None
    try:
        with progress_bar(game.show_progress, game.name, int(rows)) as bar:
            table, gap = _by_kind(game, own, bar)
    except Exception:  # rows that are no examples, nodes say: all together may be right
        return None
    if table.shape[:-1] != together.shape[:-1] or not _close(
        table, together, game.value_dtype
    ):
        return None
    game._gap = (table[..., [0, -1]] - together).detach().abs().amax(-1).maximum(gap)
    game.n_evaluations = before + (1 << int(own.sum(1).max()))
    return table


def _by_kind(game: ModelGame, own: Tensor, bar: Any) -> tuple[Tensor, Tensor]:
    """Evaluate the examples with the same players together.

    Returns:
        v(S), ``(batch, *outputs, 2**n)``, and what the same rows were seen to differ
        by, ``(batch, *outputs)``.
    """
    kinds, kind = own.unique(dim=0, return_inverse=True)
    tables, gaps, order = [], [], []
    for k, players in enumerate(kinds):
        index = (kind == k).nonzero()[:, 0]
        part = _restricted(game, index, players.nonzero()[:, 0])
        tables.append(_spread(part.table(), players))
        proof = part._proof
        gaps.append(proof.gap if proof else torch.zeros_like(tables[-1][..., 0]))
        game._forward.n_calls += part.n_forwards
        order.append(index)
        bar.update(len(index) << part.n_players)
    back = torch.cat(order).argsort().to(tables[0].device)
    return torch.cat(tables)[back], torch.cat(gaps)[back]


def _restricted(game: ModelGame, index: Tensor, chosen: Tensor) -> ModelGame:
    """Return the game of some examples and of some of their players."""
    part = game.select(index)
    number = torch.zeros(game.n_players, dtype=torch.int64)
    number[chosen] = torch.arange(len(chosen))  # the others' elements change nothing
    old = part.players
    players = replace(
        old,
        ids=tuple(old.ids[i] for i in chosen.tolist()),
        names=tuple(old.names[i] for i in chosen.tolist()),
        masks=tuple(number.to(mask.device)[mask] for mask in old.masks),
    )
    part._masked = MaskedInputs(part._masked.inputs, part._masked.baselines, players)
    part.players, part.show_progress = players, False
    return part


def _spread(table: Tensor, own: Tensor) -> Tensor:
    """Give all coalitions the value of what they have of an example's own players."""
    codes = torch.arange(1 << len(own))
    inside = torch.zeros_like(codes)
    for position, player in enumerate(own.nonzero()[:, 0].tolist()):
        inside |= (codes >> player & 1) << position
    return table[..., inside.to(table.device)]


def _close(table: Tensor, together: Tensor, dtype: torch.dtype) -> bool:
    """Whether ∅ and N have the values that they have in the whole batch.

    Other batches round differently, by up to half of the digits of what the players
    change; see the proof that coalitions may share a pass.
    """
    ends = table[..., [0, -1]].detach()
    unit = torch.finfo(dtype).eps
    spread = (together[..., :1] - together[..., 1:]).abs()
    allowed = unit**0.5 * spread + 64 * unit * together.abs()
    return bool(((ends - together).abs() <= allowed).all())
