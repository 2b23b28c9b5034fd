"""The coalitions of a model's game, range by range."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from captum_interactions._captum import progress_bar
from captum_interactions.functional.coalitions import accumulation_dtype
from captum_interactions.games._blocks import BlockSource
from captum_interactions.games._digest import Fingerprints, digest
from captum_interactions.games._surroundings import surroundings
from captum_interactions.games._values import check_finite, coalition_values
from captum_interactions.games.batching import fixed_size, is_out_of_memory
from captum_interactions.games.rows import CodeRows, MaskRows

if TYPE_CHECKING:
    from captum_interactions.games._batched import BatchedGame

__all__ = ["ModelBlocks"]


class ModelBlocks(BlockSource):
    """A source of rows of a game; see :class:`BlockSource`.

    Passes have a size that depends on shapes alone: a timed one would give other bits
    in every run.
    """

    def __init__(self, game: BatchedGame, source: MaskRows | CodeRows) -> None:
        self._game = game
        self._rows = source
        self.total = source.total
        self.name = game.name
        self.show_progress = game.show_progress
        self._one_by_one: bool | None = None
        self._most = source.total  # in one pass; less once memory ran out
        self.device = game._masked.inputs[0].device

    def evaluate(self, start: int, stop: int) -> Tensor:
        """Return the values of a range; see :meth:`BlockSource.evaluate`."""
        game, rows = self._game, self._rows
        values = []
        first = start
        with game._quietly():
            if self._one_by_one is None:
                with progress_bar(False, "", 0) as silent:
                    self._one_by_one = game._begin(rows, silent)
            size = self._size()
            while start < stop:
                step = min(rows.step(start, size), stop - start)
                try:
                    output = game._pass(rows, start, start + step, size == 1)
                except Exception as error:
                    if not is_out_of_memory(error) or size == 1:
                        raise
                    self._most = size = size // 2
                    continue
                block = coalition_values(output, step, game._masked.n_baselines)
                # Copied, as a forward function may return the same memory every time.
                values.append(block.to(accumulation_dtype(block.device), copy=True))
                start += step
        joined = torch.cat(values, -1)
        check_finite(joined, lambda i: rows.members(first + i))
        return joined

    def describe(self, known: Fingerprints) -> tuple[dict[str, str], list[nn.Module]]:
        """Return what the values depend on; see :meth:`BlockSource.describe`."""
        game, rows = self._game, self._rows
        forward, modules = known.of(game._forward.func)
        masks = rows.masks if isinstance(rows, MaskRows) else "all"
        return {
            **forward,
            **surroundings(),
            "inputs": digest(game._masked.inputs),
            "baselines": digest(game._masked.baselines),
            "target": digest(game._forward.target),
            "arguments": digest(game._forward.args),
            "players": digest(game.players.masks),
            "coalitions": digest(masks),
            "device": self.device.type,
            "coalitions per pass": str(game._per_eval),
        }, modules

    def noted(self) -> dict[str, Any]:
        """Return the output's dtype and kind; see :meth:`BlockSource.noted`."""
        return {
            "value_dtype": str(self._game.value_dtype).removeprefix("torch."),
            "one_by_one": self._game._one_by_one,
        }

    def recall(self, noted: dict[str, Any]) -> None:
        """Take back what was noted; see :meth:`BlockSource.recall`."""
        self._game._forward.dtype = getattr(torch, noted["value_dtype"])
        self._game._one_by_one = noted["one_by_one"]
        self._one_by_one = noted["one_by_one"] or self._one_by_one

    def _size(self) -> int:
        game = self._game
        if self._one_by_one or game._one_by_one:
            return 1
        chosen = game._per_eval or fixed_size(
            game._masked.rows_per_coalition,
            game._masked.bytes_per_coalition,
            on_cpu=self.device.type == "cpu",
        )
        return min(chosen, self._most)
