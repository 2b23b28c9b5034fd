"""Log-probabilities of responses for many coalitions: how rows are evaluated."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, Literal, NoReturn, Protocol

import torch
from torch import Tensor, nn

from captum_interactions._checks import bad_value, user_level
from captum_interactions.games._language_model import (
    Leaf,
    LocalModel,
)
from captum_interactions.games._model_traits import is_encoder_decoder
from captum_interactions.games._prefix_tree import PrefixTree
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
    """Return the evaluation that fits a model.

    Raises:
        ValueError: If a tree is asked for that the model can't share.
    """
    if path == "tree" and not isinstance(model, nn.Module):
        _bad_tree("is a provider")
    if path == "tree" and is_encoder_decoder(model):
        _bad_tree("reads a prompt from both sides")
    if not isinstance(model, nn.Module):
        return ProviderRows(model, players, responses)
    if is_encoder_decoder(model):
        return EncoderDecoderRows(model, players, responses, path == "rows")
    return _Local(model, players, responses, path, cache_bytes, width)


class _Differs(Exception):
    """Rows have other values in company than by themselves."""


class _Local:
    """A causal model at hand.

    Attributes:
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
        self.dtype = self._model.dtype
        self.store_bytes = 0
        if path == "tree" and not self._model.caches:
            _bad_tree("keeps no keys and values of single tokens")
        # Whether beginnings may be shared and rows padded; None until that is shown.
        can_share = players.render is None and self._model.caches
        unknown = None if can_share else False
        self._shares: bool | None = {"auto": unknown, "tree": True}.get(path, False)
        self._pads: bool | None = {"auto": None, "rows": False}.get(path, True)

    @property
    def chosen(self) -> Path:
        """How rows are evaluated, "auto" until that is decided."""
        if self._shares:
            return "tree"
        return {None: "auto", True: "batches", False: "rows"}[self._pads]  # type: ignore[return-value]

    @property
    def n_forwards(self) -> int:
        return self._model.n_forwards

    @property
    def n_tokens(self) -> int:
        return self._model.n_tokens

    def log_probs(self, masks: Tensor, done: Done) -> Tensor:
        reasons: list[str] = []
        several = len(masks) > 1
        if several and self._shares is not False and self._pays(masks):
            values = self._shared(masks, done, reasons)
            if values is not None:
                return values
        if several and self._pads is None:
            self._try_batches(masks, reasons)
        if reasons:
            warnings.warn(
                "this model returns other values " + " and ".join(reasons) + " than "
                "row by row; it is evaluated in "
                + ("batches" if self._pads else "rows one by one")
                + ", which is right but slower",
                UserWarning,
                stacklevel=user_level(),
            )
        return self._rows(masks, done, one_by_one=not self._pads)

    def _shared(self, masks: Tensor, done: Done, reasons: list[str]) -> Tensor | None:
        """Share beginnings; None, and why, if that gives other values."""
        tree = PrefixTree(
            self._model,
            self._players.pieces,
            self._responses,
            self._cache_bytes,
            self._width,
            self._min_range(masks),
        )
        counts = self._model.n_forwards, self._model.n_tokens

        def control(chosen: Tensor, values: Tensor) -> None:
            self._compare(chosen, values)
            self._shares = self._pads = True

        try:
            values = tree.log_probs(masks, done, None if self._shares else control)
        except torch.cuda.OutOfMemoryError:
            raise
        except Exception as error:  # whatever a model raises that takes no cache
            if self._shares:  # shown before: an error of another kind
                raise
            self._shares = False
            self._model.n_forwards, self._model.n_tokens = counts
            reasons.append(f"with shared beginnings {_reason(error)}")
            return None
        self.store_bytes = max(self.store_bytes, tree.store_bytes)
        return values

    def _min_range(self, masks: Tensor) -> int:
        vary = int((masks.any(0) & ~masks.all(0)).sum())
        complete = len(masks) == 1 << min(vary, 62)
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

    def _compare(self, masks: Tensor, values: Tensor) -> None:
        """Compare what rows give in company with what they give by themselves.

        Raises:
            _Differs: If it is not the same.
        """
        counts = self._model.n_forwards, self._model.n_tokens
        alone = self._rows(masks, lambda rows: None, one_by_one=True)
        self._model.n_forwards, self._model.n_tokens = counts
        half = self.dtype in (torch.bfloat16, torch.float16)
        gap = float((values - alone).sum(1).abs().max())
        if not gap <= (_AGREES_IN_HALF if half else _AGREES):
            raise _Differs(f"(by {gap:.2g} nats)")

    def _try_batches(self, masks: Tensor, reasons: list[str]) -> None:
        """Pad the shortest row to the longest one, and look at both."""
        rows = sorted((len(self._players.row(mask)), k) for k, mask in enumerate(masks))
        ends = masks[[rows[0][1], rows[-1][1]]]
        leaves = [Leaf(k, (), self._players.row(mask)) for k, mask in enumerate(ends)]
        counts = self._model.n_forwards, self._model.n_tokens
        # A model without a mask of padding is never given rows of unequal length.
        batches = [leaves] if self._model.pads else [[leaf] for leaf in leaves]
        try:
            values = [self._model.log_probs(b, self._responses) for b in batches]
            self._compare(ends, torch.cat(values))
            self._pads = True
        except torch.cuda.OutOfMemoryError:
            raise
        except Exception as error:  # whatever a model raises that takes no batch
            self._pads = False
            reasons.append(f"in a padded batch {_reason(error)}")
        self._model.n_forwards, self._model.n_tokens = counts


def _bad_tree(why: str) -> NoReturn:
    bad_value("path", "'auto' or 'batches' here", "'tree'", f"this model {why}")


def _reason(error: Exception) -> str:
    if isinstance(error, _Differs):
        return str(error)
    return f"(it raised {type(error).__name__}: {str(error)[:80]})"
