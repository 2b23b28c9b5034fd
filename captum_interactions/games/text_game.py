"""The game that an encoder, such as BERT's classifier, plays on a text."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from captum_interactions._checks import bad_type, bad_value, check_enumerable
from captum_interactions._signature import checked, checked_methods
from captum_interactions.functional.coalitions import all_masks
from captum_interactions.games._model_traits import check_positions, dtype_of
from captum_interactions.games._text_rows import (
    Absence,
    TextRow,
    TextRows,
    evaluate_rows,
)
from captum_interactions.games.arguments import warn_if_training
from captum_interactions.games.base import Game
from captum_interactions.games.value_functions import ValueFunction, logit
from captum_interactions.players import Players, PromptPlayers

__all__ = ["TextGame", "evaluate_together"]


@checked_methods
class TextGame(Game):
    """The output of an encoder on the words that a coalition leaves over.

    What it means that a word is absent is a choice, and changes interactions far more
    than attributions:

    * ``"drop"``: its tokens are not in the text, which closes up;
    * ``"mask"``, ``"pad"``: the tokenizer's mask or padding token stands for each;
    * ``"attention"``: its tokens stand where they were, and nobody may attend to them;
    * ``"embedding"``: a vector stands for the embedding of each.

    Special tokens and fixed passages are always there.

    Args:
        model: Takes ``input_ids`` (or ``inputs_embeds``) and ``attention_mask`` and
            returns logits ``(batch, classes)``, bare or as ``.logits``.
        players: The text, cut into words, sentences, tokens, segments or messages.
        target: The class explained; None keeps all of them as outputs.
        absence: What absence means.
        value: The value function, such as
            :func:`~captum_interactions.games.log_odds`.
        embedding: The vector of absent tokens, ``(hidden,)``, for ``"embedding"``;
            None for zeros.
        show_progress: Show a bar that counts rows.

    Attributes:
        text: The text's players.
        players: The same, as other games have them.
        n_forwards: Forward passes so far that this game took part in.

    Raises:
        TypeError: If an argument has the wrong type.
        ValueError: If the kind of absence is unknown, the tokenizer has no such
            token, or the text is longer than the model has positions; always before
            the first forward pass.

    Example:
        >>> class Counts(torch.nn.Module):  # how many tokens 7 and 8 it sees
        ...     def forward(self, input_ids, attention_mask):
        ...         seen = [(input_ids == k) & (attention_mask == 1) for k in (7, 8)]
        ...         return torch.stack([s.sum(1) for s in seen], 1).float()
        >>> players = PromptPlayers.from_ids([[1], [7], [8, 7]], [None, 0, 1])
        >>> TextGame(Counts(), players, target=0).table().tolist()
        [[0.0, 1.0, 1.0, 2.0]]
    """

    def __init__(
        self,
        model: nn.Module,
        players: PromptPlayers,
        target: int | None = None,
        *,
        absence: Absence = "drop",
        value: Callable[[Callable[..., Tensor]], ValueFunction] = logit,
        embedding: Tensor | None = None,
        show_progress: bool = False,
    ) -> None:
        if absence != "drop" and players.render is not None:
            bad_value("absence", "'drop' here", repr(absence), "rows are texts")
        ending = () if players.render is not None else players.ending
        longest = len(players.row([True] * len(players)) + ending)
        check_positions(model, longest, 0, "players")
        self.model = model
        self.text = players
        self.players = Players(
            ids=tuple(range(len(players))),
            names=players.names,
            masks=(torch.arange(len(players))[None],),
        )
        self._rows = TextRows(
            model, players, target, absence, value(_identity), embedding
        )
        self.show_progress = show_progress
        warn_if_training(model)

    def __repr__(self) -> str:
        return (
            f"TextGame({self.n_players} players, absence {self._rows.absence!r}, "
            f"{self.n_evaluations} coalitions evaluated)"
        )

    @property
    def batch_size(self) -> int:
        """One: the text."""
        return 1

    @property
    def value_dtype(self) -> torch.dtype:
        """Floating dtype of the model, whose rounding the values have."""
        return dtype_of(self.model)

    @property
    def n_forwards(self) -> int:
        """Forward passes so far that this game took part in."""
        return self._rows.n_forwards

    @property
    def n_evaluations(self) -> int:  # type: ignore[override]
        """Distinct coalitions evaluated so far."""
        return len(self._rows.known)

    def __call__(
        self,
        masks: Tensor,  # (C, n) bool, or (1, C, n)
    ) -> Tensor:
        """Evaluate some coalitions; those evaluated before cost nothing.

        Args:
            masks: Coalitions, True = present.

        Returns:
            v(S), ``(1, C)``, or ``(1, classes, C)`` without a target. float64.

        Raises:
            TypeError: If ``masks`` is not boolean.
            ValueError: If its shape does not fit, or a value is not finite.
        """
        masks = self._checked(masks)
        evaluate_rows([(self._rows, masks)], self.show_progress)
        return self._rows.values_of(masks)[None]

    def table(self) -> Tensor:
        """Evaluate all 2**n coalitions.

        Returns:
            v(S), ``(1, 2**n)``, or ``(1, classes, 2**n)`` without a target.

        Raises:
            ValueError: If there are too many players to enumerate, or a value is not
                finite.
        """
        check_enumerable(self.n_players)
        return self(all_masks(self.n_players))

    def row(self, mask: Tensor | Sequence[bool]) -> TextRow:
        """Return the token ids that the model is shown, and which of them are present.

        Args:
            mask: Who is present, ``(n,)``.
        """
        return self._rows.row(mask)

    def _checked(self, masks: Tensor) -> Tensor:
        if not isinstance(masks, Tensor) or masks.dtype != torch.bool:
            received = masks.dtype if isinstance(masks, Tensor) else masks
            bad_type(
                "masks", "a boolean tensor", received, "True marks present players"
            )
        if masks.dim() == 3 and masks.shape[0] == 1:
            masks = masks[0]
        if masks.dim() != 2 or masks.shape[1] != self.n_players or not len(masks):
            bad_value(
                "masks",
                f"of shape (C, {self.n_players})",
                f"shape {tuple(masks.shape)}",
                "give each coalition one entry per player",
            )
        return masks.cpu()


@checked
def evaluate_together(games: Sequence[TextGame], show_progress: bool = False) -> None:
    """Evaluate all coalitions of several texts, rows of like length in one batch.

    The games keep the values: their ``table()`` costs nothing afterwards. Together they
    cost Σ 2**n rows, where one batch of padded sentences costs their number times
    2**max n.

    Args:
        games: Games of the same model; their texts may differ in length and players.
        show_progress: Show a bar that counts rows.

    Raises:
        ValueError: If the games have different models, or too many players.
    """
    if len({id(game.model) for game in games}) > 1:
        bad_value("games", "of one model", "several", "evaluate them model by model")
    for game in games:
        check_enumerable(game.n_players)
    wanted = [(game._rows, all_masks(game.n_players)) for game in games]
    evaluate_rows(wanted, show_progress)


def _identity(logits: Tensor) -> Tensor:
    return logits
