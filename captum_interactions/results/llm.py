"""What a method finds about a prompt, for every token of the response."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from captum.attr import LLMAttributionResult
from torch import Tensor

from captum_interactions._signature import checked_methods
from captum_interactions.games import PromptGame, PromptOutput
from captum_interactions.report import explanation_page
from captum_interactions.results._pair_pictures import PairPictures
from captum_interactions.results.base import InteractionResult
from captum_interactions.visualization import (
    plot_prompt,
    plot_response_tokens,
    prompt_html,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["LLMInteractionResult"]


@checked_methods
class LLMInteractionResult:
    """Results of one method for the response, its tokens and any span of them.

    Each is the method's own result, read from the evaluations of one game; none needs
    another forward pass where the method chooses its coalitions before it sees values.

    Args:
        game: The prompt's game.
        read: Reads the method's result off a game of one output.
        inp: Captum's input, if the prompt came as one.

    Attributes:
        game: The prompt's game, with all its evaluations.
        inp: Captum's input, or None.
    """

    def __init__(
        self,
        game: PromptGame,
        read: Callable[[PromptOutput], InteractionResult],
        inp: Any = None,
    ) -> None:
        self.game = game
        self.inp = inp
        self._read = read
        self._results: dict[tuple[str, int, int], InteractionResult] = {}

    def sequence(self) -> InteractionResult:
        """Return the result for the whole response, or for the contrast of two."""
        return self._result(("sequence", 0, 0), self.game.sequence)

    def token(self, token: int | str) -> InteractionResult:
        """Return the result for one token of the response.

        Args:
            token: Its position, or its text.

        Raises:
            ValueError: If there is no such token, or the text comes twice.
        """
        place = self.game.responses.place(token)
        return self._result(("token", place, 0), lambda: self.game.token(place))

    def span(self, start: int, stop: int) -> InteractionResult:
        """Return the result for the response tokens ``start..stop`` together.

        Args:
            start: Position of the first.
            stop: Position after the last.

        Raises:
            ValueError: If there is no token between them.
        """
        game = self.game.span(start, stop)
        return self._result(("span", start, stop), lambda: game)

    @property
    def input_tokens(self) -> list[str]:
        """The names of the players, or the values of Captum's input."""
        return list(self.game.players.names if self.inp is None else self.inp.values)

    @property
    def output_tokens(self) -> list[str]:
        """The tokens of the response; of a contrast, its name alone."""
        responses = self.game.responses
        single = len(responses.ids) == 1
        return list(responses.tokens if single else responses.names[:1])

    @property
    def n_evaluations(self) -> int:
        """Distinct coalitions evaluated so far."""
        return self.game.n_evaluations

    def top_k(self, k: int = 10) -> list[Any]:
        """The k strongest interactions of the whole response, strongest first.

        Args:
            k: How many.

        Raises:
            ValueError: If k is not positive.
        """
        found: list[Any] = self.sequence().top_k(k)[0]
        return found

    def attributions(self) -> LLMAttributionResult:
        """Return what Captum's ``LLMAttribution`` would: ``plot_token_attr()`` works.

        Returns:
            Attributions of the response, ``seq_attr`` ``(n,)``, and of each of its
            tokens, ``token_attr`` ``(r, n)``, unless several responses were given.
        """
        sequence = self._spread(self.sequence())
        single = len(self.game.responses.ids) == 1
        tokens = (
            [self._spread(self.token(t)) for t in range(len(self.output_tokens))]
            if single
            else None
        )
        return LLMAttributionResult(
            input_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
            seq_attr=sequence,
            token_attr=None if tokens is None else torch.stack(tokens),
            inp=self.inp,
        )

    def plot(self, k: int = 3, ax: Axes | None = None) -> tuple[Figure, Axes]:
        """Draw the prompt, colored by attribution, with arcs for its strongest pairs.

        Args:
            k: How many arcs, where the method has pairs.
            ax: Axes to draw on; None makes a figure.
        """
        pieces = self.game.prompt.pieces
        result = self.sequence()
        pairs = (
            result._pairs(0, (), None).values
            if isinstance(result, PairPictures)
            else None
        )
        return plot_prompt(
            [piece.text for piece in pieces],
            [piece.owner for piece in pieces],
            self._players_of(self.sequence()),
            pairs,
            k,
            ax=ax,
        )

    def plot_tokens(self, ax: Axes | None = None) -> tuple[Figure, Axes]:
        """Draw the attributions of every player to every token of the response.

        Args:
            ax: Axes to draw on; None makes a figure.
        """
        values, outputs = self._columns()
        return plot_response_tokens(values, self.game.players.names, outputs, ax)

    def to_html(self, title: str | None = None, k: int = 40) -> str:
        """Return one page that explains the response, and opens without a network.

        It holds the prompt, colored, with arcs for its strongest pairs; what the
        method's own page has (interactions that light their pieces, Shapley values, a
        slider that rebuilds v(N)); and a column per token of the response.

        Args:
            title: Title of the page; None names the response.
            k: How many interactions are listed.

        Returns:
            The page. Write it to a file as UTF-8.

        Raises:
            ValueError: If k is not positive.
        """
        values, outputs = self._columns()
        found = self.sequence()._explanation(0, (), None, None, k, 0)
        one = replace(
            found,
            title=found.title.partition(":")[0],
            values=found.values or values[0].tolist(),
            prompt=[(piece.text, piece.owner) for piece in self.game.prompt.pieces],
            tokens=(outputs, values.T.tolist()),
        )
        name = f"What made the model say {self.game.output_names[0]!r}"
        return explanation_page(title or name, [one])

    def _repr_html_(self) -> str | None:
        """A ``<div>``: prompt, coalitions in context, a column per token."""
        pieces = self.game.prompt.pieces
        if not pieces:  # every coalition is written by a function
            return None
        values, outputs = self._columns()
        coalitions = [
            (term.players, term.value)
            for term in self.top_k(5)
            if hasattr(term, "players") and hasattr(term, "value")
        ]
        return prompt_html(
            [piece.text for piece in pieces],
            [piece.owner for piece in pieces],
            values,
            self.game.players.names,
            outputs,
            coalitions,
        )

    def __repr__(self) -> str:
        name = self.game.output_names[0]
        return f"LLMInteractionResult of {name!r}: {self.sequence()!r}"

    def _columns(self) -> tuple[Tensor, list[str]]:
        """Attributions of the response and of its tokens, and their names."""
        rows = [self._players_of(self.sequence())]
        outputs = [self.game.output_names[0]]
        if len(self.game.responses.ids) == 1 and len(self.output_tokens) > 1:
            for t, text in enumerate(self.output_tokens):
                rows.append(self._players_of(self.token(t)))
                outputs.append(text)
        return torch.stack(rows), outputs

    def _players_of(self, result: InteractionResult) -> Tensor:
        """What ``attribute`` returns, one value per player."""
        found = result.attributions()
        values = found[0] if isinstance(found, tuple) else found
        return values[0]

    def _spread(self, result: InteractionResult) -> Tensor:
        """One value per segment of Captum's input: those of a group share theirs."""
        values = self._players_of(result)
        mask = getattr(self.inp, "mask", None)
        if mask is None:
            return values
        order = list(dict.fromkeys(mask))
        return values[[order.index(group) for group in mask]]

    def _result(
        self, key: tuple[str, int, int], game: Callable[[], PromptOutput]
    ) -> InteractionResult:
        if key not in self._results:
            self._results[key] = self._read(game())
        return self._results[key]
