"""Rows of a prompt as blocks of coalitions, for a store and for several ranks."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from captum_interactions.games._blocks import BlockSource
from captum_interactions.games._digest import Fingerprints, digest
from captum_interactions.games._prompt_evaluation import Evaluation
from captum_interactions.games._surroundings import surroundings

__all__ = ["PromptBlocks", "check_finite"]


class PromptBlocks(BlockSource):
    """Distinct rows of a prompt, in the order of the tree.

    A block is then a branch of it, whose rows share nearly as much as in one piece.

    Args:
        model: The language model, a module.
        evaluation: How its rows are evaluated.
        masks: A coalition of each row, ``(C, n)``.
        keys: The token ids of each row, as bytes.
        responses: Token ids of each response.
        settings: Whatever else decides the values' last bits.
        show_progress: Show a bar that counts blocks.
    """

    name = "PromptGame"
    device = torch.device("cpu")

    def __init__(
        self,
        model: nn.Module,
        evaluation: Evaluation,
        masks: Tensor,
        keys: Sequence[bytes],
        responses: Sequence[Sequence[int]],
        settings: Sequence[object],
        show_progress: bool,
    ) -> None:
        self.total = len(masks)
        self.show_progress = show_progress
        self._model, self._evaluation, self._masks = model, evaluation, masks
        self._keys, self._responses, self._settings = keys, responses, settings

    def evaluate(self, start: int, stop: int) -> Tensor:
        """Return log p of every response token, ``(Σ r, stop − start)``."""
        masks = self._masks[start:stop]
        values = self._evaluation.log_probs(masks, lambda rows: None)
        check_finite(values, masks)
        return values.T

    def describe(self, known: Fingerprints) -> tuple[dict[str, str], list[nn.Module]]:
        """Name the rows, the responses and the model."""
        rows = hashlib.sha256()
        for key in self._keys:
            rows.update(len(key).to_bytes(8, "little") + key)
        named, modules = known.of(self._model)
        return {
            "inputs": rows.hexdigest(),
            "target": digest([list(ids) for ids in self._responses]),
            "arguments": digest("PromptGame", *self._settings),
            **named,
            **surroundings(),
        }, modules

    def noted(self) -> dict[str, Any]:
        """Nothing: each block finds out by itself what the model can do."""
        return {}

    def recall(self, noted: dict[str, Any]) -> None:
        """Nothing to take back."""


def check_finite(values: Tensor, masks: Tensor) -> None:
    """Refuse values of which one is NaN or infinite, and say where.

    Raises:
        ValueError: If there is one.
    """
    bad = (~torch.isfinite(values)).any(1).nonzero()[:, 0]
    if len(bad):
        members = tuple(masks[bad[0]].nonzero()[:, 0].tolist())
        raise ValueError(
            f"the model must return finite log-probabilities, got NaN or infinity "
            f"on {len(bad)} of {len(values)} coalitions, first on the one that "
            f"keeps players {members}; evaluate in float32, or check the model"
        )
