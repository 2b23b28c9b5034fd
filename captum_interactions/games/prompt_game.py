"""The game a language model plays on a prompt: how likely is the response?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from captum_interactions._checks import (
    bad_type,
    bad_value,
    check_enumerable,
    check_positive_int,
    check_tokenizer,
)
from captum_interactions._signature import checked_methods
from captum_interactions.functional.coalitions import all_masks
from captum_interactions.games._prompt_cost import PromptCost
from captum_interactions.games._prompt_evaluation import Path, evaluation_of
from captum_interactions.games._prompt_output import PromptOutput
from captum_interactions.games._prompt_rows import PromptRows, check_beginning
from captum_interactions.games._responses import make_responses
from captum_interactions.games.arguments import warn_if_training
from captum_interactions.games.base import Game
from captum_interactions.players import Players, PromptPlayers

__all__ = ["PromptCost", "PromptGame", "PromptOutput"]

# What keys and values may take: at 46 KB a token (135M parameters, float32) 64 nodes
# side by side of 12 segments of 14 tokens need 480 MB, 32 need 240.
_CACHE_BYTES = 256 << 20


@checked_methods
class PromptGame(Game):
    """Log-probability of a response, of the prompt that a coalition leaves over.

    v(S) = Σ_t log p(y_t | row of S, y_1 … y_{t−1}): absent pieces are not in the prompt
    at all. Outputs are the sum of the response and every token of it; of several
    responses, the sum of each; of two with ``contrast``, their difference alone. Other
    outputs (:meth:`sequence`, :meth:`token`, :meth:`span`) are read from the same
    evaluations, which are kept by token row.

    Beginnings that coalitions share are evaluated once, in memory that is bounded by
    ``cache_bytes``; the response's logits are computed only where they are read. Two
    coalitions are first evaluated row by row: a model that does not give the same
    values with shared beginnings, or in batches, is evaluated in batches, or row by
    row.

    Args:
        model: A causal or encoder–decoder model of transformers (or a module from
            ``input_ids`` to logits), or a provider with ``log_probs(requests)``.
        tokenizer: The tokenizer that the players were cut by.
        players: The prompt.
        target: The response as text or token ids; several responses as a list of texts;
            None lets the model answer, greedily.
        contrast: Explain log p of the first response minus that of the second.
        attr_target: ``"log_prob"`` in nats, or ``"prob"``.
        path: ``"auto"``, or how rows are evaluated: ``"tree"`` shares beginnings,
            ``"batches"`` pads rows of similar length, ``"rows"`` one by one.
        cache_bytes: What keys and values of shared beginnings may take, and those of
            one batch.
        width: Beginnings evaluated side by side; None fills ``cache_bytes``.
        max_new_tokens: Length of the model's own answer, at most.
        show_progress: Show a bar that counts rows.

    Attributes:
        prompt: The prompt's players.
        players: The same, as other games have them.
        output_tokens: The tokens of the response.
        output_names: One name per output.
        n_evaluations: Distinct coalitions evaluated so far.
        value_dtype: Floating dtype of the model.

    Raises:
        TypeError: If an argument has the wrong type.
        ValueError: If the response has no token, there is no fixed token before it,
            prompt and response have more tokens than the model has learned positions,
            or an argument is out of range; always before the first forward pass.
            Later, if a value is not finite.

    Example:
        >>> class Bigram(torch.nn.Module):  # likes what follows its last token
        ...     def forward(self, input_ids):
        ...         return torch.nn.functional.one_hot(input_ids + 1, 9).float()
        >>> players = PromptPlayers.from_ids([[1], [4], [5]], [None, 0, 1])
        >>> game = PromptGame(Bigram(), None, players, target=[5])
        >>> game.sequence().table().exp().mul(100).round().tolist()
        [[9.0, 25.0, 9.0, 9.0]]
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        players: PromptPlayers,
        target: str | Sequence[Any] | Tensor | None = None,
        *,
        contrast: bool = False,
        attr_target: Literal["log_prob", "prob"] = "log_prob",
        path: Path = "auto",
        cache_bytes: int = _CACHE_BYTES,
        width: int | None = None,
        max_new_tokens: int = 25,
        show_progress: bool = False,
    ) -> None:
        local = isinstance(model, nn.Module)
        if not local and not callable(getattr(model, "log_probs", None)):
            bad_type(
                "model", "a torch module or a provider", model, "it has no `log_probs`"
            )
        check_tokenizer(tokenizer)
        check_positive_int("cache_bytes", cache_bytes, "try 256 << 20")
        check_positive_int("max_new_tokens", max_new_tokens, "25 is Captum's")
        if width is not None:
            check_positive_int("width", width, "or None to fill `cache_bytes`")
        if path == "tree" and players.render is not None:
            bad_value("path", "'batches' here", "'tree'", "rows share no tokens")
        check_beginning(model, players)
        if local:
            warn_if_training(model)
        self.prompt = players
        self.players = Players(
            ids=tuple(range(len(players))),
            names=players.names,
            masks=(torch.arange(len(players))[None],),
        )
        self.responses = make_responses(
            model,
            tokenizer,
            players,
            target,
            contrast=contrast,
            probability=attr_target == "prob",
            max_new_tokens=max_new_tokens,
        )
        self._evaluation = evaluation_of(
            model, players, self.responses.ids, path, cache_bytes, width
        )
        self.show_progress = show_progress
        settings = (path, cache_bytes, width)
        self._rows = PromptRows(
            players, self.responses.ids, self._evaluation, model, settings
        )

    def __repr__(self) -> str:
        return (
            f"PromptGame({self.n_players} players, response "
            f"{self.output_names[0]!r}, {self.n_evaluations} coalitions evaluated)"
        )

    @property
    def batch_size(self) -> int:
        """One: the prompt."""
        return 1

    @property
    def value_dtype(self) -> torch.dtype:
        """Floating dtype of the model, whose rounding the values have."""
        return self._evaluation.dtype

    @property
    def n_evaluations(self) -> int:  # type: ignore[override]
        """Distinct coalitions evaluated so far."""
        return self._rows.n_evaluations

    @property
    def n_forwards(self) -> int:
        """Forward passes, or requests, so far; those of the first check apart."""
        return self._evaluation.n_forwards

    @property
    def n_tokens(self) -> int:
        """Tokens evaluated so far, padding and the first check apart."""
        return self._evaluation.n_tokens

    @property
    def output_tokens(self) -> tuple[str, ...]:
        """The tokens of the response, as text."""
        return self.responses.tokens

    @property
    def output_names(self) -> tuple[str, ...]:
        """One name per output."""
        return self.responses.names

    def __call__(
        self,
        masks: Tensor,  # (C, n) bool, or (1, C, n)
    ) -> Tensor:
        """Evaluate some coalitions; those evaluated before cost nothing.

        Args:
            masks: Coalitions, True = present.

        Returns:
            v(S), ``(1, outputs, C)``; of a contrast ``(1, C)``. float64, on the CPU.

        Raises:
            TypeError: If ``masks`` is not boolean.
            ValueError: If its shape does not fit, or a value is not finite.
        """
        values = self._rows.log_probs(masks, self.show_progress)
        return self.responses.outputs(values)[None]

    def table(self) -> Tensor:
        """Evaluate all 2**n coalitions.

        Returns:
            v(S), ``(1, outputs, 2**n)``; of a contrast ``(1, 2**n)``.

        Raises:
            ValueError: If there are too many players to enumerate, or a value is not
                finite.
        """
        check_enumerable(self.n_players)
        return self(all_masks(self.n_players))

    def sequence(self) -> PromptOutput:
        """Return the game of the whole response, or of the contrast, alone."""
        return PromptOutput(self, self.output_names[0], self.responses.sequence())

    def token(self, token: int | str) -> PromptOutput:
        """Return the game of one token of the response.

        Args:
            token: Its position, or its text.

        Raises:
            ValueError: If there is no such token, or the text comes twice.
        """
        place = self.responses.place(token)
        reading = self.responses.span(0, place, place + 1)
        return PromptOutput(self, self.output_tokens[place], reading)

    def span(self, start: int, stop: int) -> PromptOutput:
        """Return the game of the response tokens ``start..stop`` together.

        Args:
            start: Position of the first.
            stop: Position after the last.

        Raises:
            ValueError: If there is no token between them.
        """
        count = len(self.output_tokens)
        if not 0 <= start < stop <= count:
            bad_value(
                "start, stop",
                f"0 ≤ start < stop ≤ {count}",
                (start, stop),
                "tokens of the response count from 0",
            )
        name = "".join(self.output_tokens[start:stop])
        return PromptOutput(self, name, self.responses.span(0, start, stop))

    def cost(self, masks: Tensor | None = None) -> PromptCost:
        """Say what an evaluation costs, without evaluating.

        Args:
            masks: Coalitions ``(C, n)``; None for all 2**n.

        Returns:
            Rows and tokens. Of coalitions that were evaluated, or come twice, or make
            the same row, only one counts; of all 2**n, all that were not evaluated.
        """
        return self._rows.cost(masks)
