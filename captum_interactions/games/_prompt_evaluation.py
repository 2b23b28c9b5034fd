"""Log-probabilities of responses for many coalitions: how rows are evaluated."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol

import torch
from torch import Tensor, nn

from captum_interactions.games._language_model import (
    Leaf,
    LocalModel,
)
from captum_interactions.games._model_traits import is_encoder_decoder
from captum_interactions.games._prefix_tree import PrefixTree, player_order
from captum_interactions.games._prompt_cost import row_tokens, tree_tokens
from captum_interactions.games._whole_rows import Done, EncoderDecoderRows, ProviderRows
from captum_interactions.players import PromptPlayers

__all__ = ["Evaluation", "Path", "evaluation_of"]

Path = Literal["auto", "tree", "batches", "rows"]

# Shared beginnings must save a quarter of the tokens to pay for smaller batches and for
# moving keys and values (on 20 players, 48 coalitions: 4,716 against 5,859 tokens took
# the same time, 43 forward passes against 7).
_TREE_PAYS = 0.75
# A complete tree branches down to pairs; sparse ones down to four, below which a
# fragmented batch costs more than its tokens.
_COMPLETE_RANGE, _SPARSE_RANGE = 2, 4
# Rounding moves the sum of a response by 1e-5 nats in float32 and by 0.2 to 0.3 in
# bfloat16; a wrong mask or position moves it by 1 to 4.
_AGREES, _AGREES_IN_HALF = 1e-3, 0.5


class Evaluation(Protocol):
    """How one model, prompt and set of responses is evaluated."""

    dtype: torch.dtype

    @property
    def n_forwards(self) -> int:
        """Forward passes so far."""

    @property
    def n_tokens(self) -> int:
        """Tokens evaluated so far."""

    def log_probs(self, masks: Tensor, done: Done) -> Tensor:
        """Return log p of every response token, ``(C, Σ r)`` float64 on the CPU."""


def evaluation_of(
    model: Any,
    players: PromptPlayers,
    responses: Sequence[Sequence[int]],
    path: Path,
    cache_bytes: int,
    width: int | None,
) -> Evaluation:
    """Return the evaluation that fits a model."""
    if not isinstance(model, nn.Module):
        return ProviderRows(model, players, responses)
    if is_encoder_decoder(model):
        return EncoderDecoderRows(model, players, responses, path == "rows")
    return _Local(model, players, responses, path, cache_bytes, width)


class _Local:
    """A causal model at hand.

    Attributes:
        chosen: How rows are evaluated, once decided.
        store_bytes: What the tree's store took, at most.
    """

    def __init__(
        self,
        model: nn.Module,
        players: PromptPlayers,
        responses: Sequence[Sequence[int]],
        path: Path,
        cache_bytes: int,
        width: int | None,
    ) -> None:
        self._model = LocalModel(model, cache_bytes)
        self._players = players
        self._responses = responses
        self._cache_bytes = cache_bytes
        self._width = width
        self.chosen: Path = path
        self.dtype = self._model.dtype
        self.store_bytes = 0

    @property
    def n_forwards(self) -> int:
        return self._model.n_forwards

    @property
    def n_tokens(self) -> int:
        return self._model.n_tokens

    def log_probs(self, masks: Tensor, done: Done) -> Tensor:
        if self.chosen == "auto" and len(masks) > 1:
            counts = self._model.n_forwards, self._model.n_tokens
            self.chosen = self._checked()
            self._model.n_forwards, self._model.n_tokens = counts
        if self.chosen == "tree" and self._pays(masks):
            tree = self._tree(min_range=self._min_range(masks), width=self._width)
            values = tree.log_probs(masks, done)
            self.store_bytes = max(self.store_bytes, tree.store_bytes)
            return values
        return self._rows(masks, done, one_by_one=self.chosen in ("rows", "auto"))

    def _tree(self, **options: Any) -> PrefixTree:
        return PrefixTree(
            self._model,
            self._players.pieces,
            self._responses,
            self._cache_bytes,
            **options,
        )

    def _min_range(self, masks: Tensor) -> int:
        complete = len(masks) == 1 << min(self._players.n_players, 62)
        return _COMPLETE_RANGE if complete else _SPARSE_RANGE

    def _pays(self, masks: Tensor) -> bool:
        if self._min_range(masks) == _COMPLETE_RANGE:
            return True
        pieces, responses = self._players.pieces, self._responses
        shared = tree_tokens(pieces, masks, responses, _SPARSE_RANGE)
        return shared <= _TREE_PAYS * row_tokens(pieces, masks, responses)

    def _rows(self, masks: Tensor, done: Done, one_by_one: bool) -> Tensor:
        leaves = [Leaf(k, (), self._players.row(mask)) for k, mask in enumerate(masks)]
        out = torch.empty(len(masks), sum(map(len, self._responses))).double()
        batches = (
            ([leaf] for leaf in leaves)
            if one_by_one
            else self._model.batches(leaves, max(map(len, self._responses)) - 1)
        )
        for batch in batches:
            values = self._model.log_probs(batch, self._responses)
            out[[leaf.place for leaf in batch]] = values
            done(len(batch))
        return out

    def _checked(self) -> Path:
        """Decide by evaluating two coalitions in every way.

        One is the full prompt, the other lacks the first and the last player: a tree
        that does not stop before the last player's piece then has paths of unequal
        length, and leaves of unequal length on them.
        """
        order = player_order(self._players.pieces)
        n = self._players.n_players
        masks = torch.ones(2, n, dtype=torch.bool)
        masks[1, [order[0], order[-1]] if order else [0]] = False
        quiet: Done = lambda rows: None  # noqa: E731
        truth = self._rows(masks, quiet, one_by_one=True)
        last = max(
            (k for k, p in enumerate(self._players.pieces) if p.owner is not None),
            default=0,
        )
        reasons = []
        if self._players.render is None and self._model.caches:
            tree = self._tree(min_range=1, width=2, leaf_at=last)
            reason = self._differs(truth, lambda: tree.log_probs(masks))
            if reason is None:
                return "tree"
            reasons.append(f"with shared beginnings {reason}")
        reason = self._differs(truth, lambda: self._rows(masks, quiet, False))
        if reason is None:
            chosen: Path = "batches"
        else:
            chosen = "rows"
            reasons.append(f"in a padded batch {reason}")
        if reasons:
            warnings.warn(
                "this model returns other values " + " and ".join(reasons) + " than "
                "row by row; it is evaluated in "
                + ("batches" if chosen == "batches" else "rows one by one")
                + ", which is right but slower",
                UserWarning,
                stacklevel=6,
            )
        return chosen

    def _differs(self, truth: Tensor, evaluate: Callable[[], Tensor]) -> str | None:
        """Say how an evaluation differs from the truth, or that it failed."""
        half = self.dtype in (torch.bfloat16, torch.float16)
        try:
            values = evaluate()
        except torch.cuda.OutOfMemoryError:
            raise
        except Exception as error:  # whatever a model raises that takes no cache
            return f"(it raised {type(error).__name__}: {str(error)[:80]})"
        gap = float((values - truth).sum(1).abs().max())
        limit = _AGREES_IN_HALF if half else _AGREES
        return None if gap <= limit else f"(by {gap:.2g} nats)"
