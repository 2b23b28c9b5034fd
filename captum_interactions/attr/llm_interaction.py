"""Interactions of the pieces of a prompt, in the manner of Captum's LLMAttribution."""

from __future__ import annotations

from collections.abc import Sequence
from inspect import signature
from typing import Any, Literal

import torch
from captum.attr import Attribution, LLMAttributionResult
from torch import Tensor

from captum_interactions._checks import check_tokenizer
from captum_interactions._random import own_generator
from captum_interactions._signature import checked_methods
from captum_interactions.attr.base import AbstractInteractionAttribution
from captum_interactions.games import PromptGame, PromptOutput
from captum_interactions.players import PromptPlayers
from captum_interactions.results.base import InteractionResult
from captum_interactions.results.llm import LLMInteractionResult

__all__ = ["LLMInteraction"]


@checked_methods
class LLMInteraction(Attribution):
    """Which pieces of a prompt worked together to make a language model say this?

    Wraps a method of this package as Captum's ``LLMAttribution`` wraps Captum's. One
    table of values serves every token of the response.

    Args:
        attr_method: A method made with a language model of transformers or with a
            provider of log-probabilities, such as ``AndInteraction(model)``.
        tokenizer: The model's tokenizer.
        attr_target: Explain the logarithm of the response's probability, in nats
            (``"log_prob"``), or the probability (``"prob"``).

    Raises:
        TypeError: If ``attr_method`` is not a method of this package that reads games.
        ValueError: If ``attr_target`` is neither.

    References:
        Captum's ``LLMAttribution`` (Miglani et al. 2023) for the manner of the call.
    """

    def __init__(
        self,
        attr_method: AbstractInteractionAttribution,
        tokenizer: Any,
        attr_target: Literal["log_prob", "prob"] = "log_prob",
    ) -> None:
        check_tokenizer(tokenizer)
        super().__init__(attr_method.forward_func)
        self.attr_method = attr_method
        self.tokenizer = tokenizer
        self.attr_target = attr_target

    def __repr__(self) -> str:
        method, model = self.attr_method, self.attr_method.forward_func
        wrapped = f"{type(method).__name__}({type(model).__name__})"
        return f"LLMInteraction({wrapped}, {self.attr_target!r})"

    def attribute(
        self,
        inp: Any,
        target: str | Sequence[Any] | Tensor | None = None,
        **options: Any,
    ) -> LLMAttributionResult:
        """Attribute the response, and each of its tokens, to the pieces of the prompt.

        Arguments are those of :meth:`interactions`.

        Returns:
            Captum's result: ``seq_attr`` ``(n,)``, ``token_attr`` ``(r, n)``, and the
            pictures that it draws.

        Raises:
            TypeError: As :meth:`interactions`.
            ValueError: As :meth:`interactions`.
        """
        return self.interactions(inp, target, **options).attributions()

    def interactions(
        self,
        inp: Any,
        target: str | Sequence[Any] | Tensor | None = None,
        *,
        contrast: bool = False,
        show_progress: bool = False,
        game_options: dict[str, Any] | None = None,
        **options: Any,
    ) -> LLMInteractionResult:
        """Interactions of the pieces of a prompt.

        Args:
            inp: :class:`~captum_interactions.players.PromptPlayers`, or Captum's
                ``TextTemplateInput`` or ``TextTokenInput``.
            target: The response; two of them with ``contrast``; None lets the model
                answer.
            contrast: Explain log p of the first response minus that of the second.
            show_progress: Show a bar that counts rows.
            game_options: Further arguments of
                :class:`~captum_interactions.games.PromptGame`, such as ``cache_bytes``.
            **options: Options of the method, such as ``n_samples``.

        Returns:
            Results for the response, its tokens and any span of them.

        Raises:
            TypeError: As :class:`~captum_interactions.games.PromptGame`.
            ValueError: As :class:`~captum_interactions.games.PromptGame`, and as the
                method.
        """
        is_players = isinstance(inp, PromptPlayers)
        game = PromptGame(
            self.forward_func,
            self.tokenizer,
            inp if is_players else PromptPlayers.from_captum(inp, self.tokenizer),
            target,
            contrast=contrast,
            attr_target=self.attr_target,
            show_progress=show_progress,
            **(game_options or {}),
        )
        result = LLMInteractionResult(
            game, self._reader(options), None if is_players else inp
        )
        result.sequence()
        return result

    def _reader(self, options: dict[str, Any]) -> Any:
        """Read one output; every output sees the same random coalitions."""
        read = type(self.attr_method).read
        if "generator" not in signature(read).parameters:
            return lambda game: read(game, **options)
        generator = own_generator(options.pop("generator", None))
        state = generator.get_state()

        def reader(game: PromptOutput) -> InteractionResult:
            again = torch.Generator(device=generator.device)
            again.set_state(state)
            result: InteractionResult = read(game, **options, generator=again)
            return result

        return reader
