"""Values of a prompt's coalitions, kept by the token row that each leaves over."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from captum_interactions._captum import progress_bar
from captum_interactions._checks import bad_type, bad_value
from captum_interactions.functional.coalitions import all_masks
from captum_interactions.games._model_traits import is_encoder_decoder
from captum_interactions.games._prefix_tree import player_order
from captum_interactions.games._prompt_blocks import PromptBlocks, check_finite
from captum_interactions.games._prompt_cost import PromptCost, row_tokens, tree_tokens
from captum_interactions.games._prompt_evaluation import Evaluation
from captum_interactions.games.evaluation import current_evaluation
from captum_interactions.players import PromptPlayers

__all__ = ["PromptRows", "check_beginning"]


class PromptRows:
    """What is known of a prompt's rows, and what the others cost.

    Coalitions that make the same row are evaluated once.

    Args:
        players: The prompt.
        responses: Token ids of each response.
        evaluation: How rows are evaluated.
        model: The model, or a provider.
        settings: What else decides the last bits of values.
    """

    def __init__(
        self,
        players: PromptPlayers,
        responses: Sequence[Sequence[int]],
        evaluation: Evaluation,
        model: Any,
        settings: Sequence[object],
    ) -> None:
        self._players = players
        self._responses = responses
        self._evaluation = evaluation
        self._model = model
        self._settings = settings
        self._known: dict[bytes, Tensor] = {}
        self._rows: dict[bytes, bytes] = {}

    @property
    def n_evaluations(self) -> int:
        """Distinct coalitions evaluated so far."""
        return len(self._rows)

    def log_probs(self, masks: Tensor, show_progress: bool) -> Tensor:  # (C, Σ r)
        """Return log p of every response token; known rows cost nothing."""
        masks = self._checked(masks)
        rows = {_packed(mask): mask for mask in masks}
        new = {
            packed: _key(self._players.row(mask))
            for packed, mask in rows.items()
            if packed not in self._rows
        }
        todo: dict[bytes, Tensor] = {}
        for packed, key in new.items():
            if key not in self._known:
                todo.setdefault(key, rows[packed])
        if todo:
            self._evaluate(todo, show_progress)
        self._rows.update(new)
        return torch.stack([self._known[self._rows[_packed(m)]] for m in masks])

    def _evaluate(self, todo: dict[bytes, Tensor], show_progress: bool) -> None:
        """Evaluate rows that are not known, each given with one of its coalitions."""
        settings = current_evaluation()
        if settings is None or not isinstance(self._model, nn.Module):
            missing = torch.stack(list(todo.values()))
            with progress_bar(show_progress, "PromptGame", len(missing)) as bar:
                values = self._evaluation.log_probs(missing, bar.update)
            check_finite(values, missing)
            self._known.update(zip(todo, values, strict=True))
            return
        order = player_order(self._players.pieces)
        keys = sorted(todo, key=lambda key: todo[key][order].tolist(), reverse=True)
        source = PromptBlocks(
            self._model,
            self._evaluation,
            torch.stack([todo[key] for key in keys]),
            keys,
            self._responses,
            self._settings,
            show_progress,
        )
        self._known.update(zip(keys, settings.run(source).T, strict=True))

    def cost(self, masks: Tensor | None) -> PromptCost:
        """Say what an evaluation of some coalitions (None: all) costs."""
        n = self._players.n_players
        pieces, ids = self._players.pieces, self._responses
        if self._players.render is not None:
            chosen = all_masks(n) if masks is None else masks
            missing, _ = self._missing(chosen)
            rows = [len(self._players.row(mask)) for mask in missing]
            tokens = sum(rows) + len(rows) * (len(ids[0]) - 1)
            return PromptCost(len(rows), tokens, tokens)
        if masks is None and not self._rows:
            return PromptCost(
                1 << n,
                row_tokens(pieces, None, ids),
                tree_tokens(pieces, None, ids),
            )
        missing, _ = self._missing(all_masks(n) if masks is None else masks)
        if not len(missing):
            return PromptCost(0, 0, 0)
        return PromptCost(
            len(missing),
            row_tokens(pieces, missing, ids),
            tree_tokens(pieces, missing, ids),
        )

    def _missing(self, masks: Tensor) -> tuple[Tensor, list[bytes]]:
        """Coalitions whose rows are new, and the key of each."""
        keys: dict[bytes, int] = {}
        for k, mask in enumerate(masks):
            key = self._rows.get(_packed(mask)) or _key(self._players.row(mask))
            if key not in self._known:
                keys.setdefault(key, k)
        return masks[list(keys.values())], list(keys)

    def _checked(self, masks: Tensor) -> Tensor:
        if not isinstance(masks, Tensor) or masks.dtype != torch.bool:
            received = masks.dtype if isinstance(masks, Tensor) else masks
            bad_type(
                "masks", "a boolean tensor", received, "True marks present players"
            )
        n = self._players.n_players
        if masks.dim() == 3 and masks.shape[0] == 1:
            masks = masks[0]
        if masks.dim() != 2 or masks.shape[1] != n or not len(masks):
            bad_value(
                "masks",
                f"of shape (C, {n}) or (1, C, {n})",
                f"shape {tuple(masks.shape)}",
                "give each coalition one entry per player",
            )
        return masks.cpu()


def check_beginning(model: Any, players: PromptPlayers) -> None:
    """Refuse prompts of which a coalition leaves nothing to predict from."""
    if is_encoder_decoder(model) or players.render is not None:
        return
    if not any(p.ids for p in players.pieces if p.owner is None):
        bad_value(
            "players",
            "with a fixed token before the response",
            "a prompt all of whose tokens belong to players",
            "the empty coalition predicts from nothing; give a header or a footer, "
            "or put the beginning-of-text token in front by bos=True",
        )


def _packed(mask: Tensor) -> bytes:
    return bytes(mask.tolist())


def _key(row: Sequence[int]) -> bytes:
    return array("q", row).tobytes()
