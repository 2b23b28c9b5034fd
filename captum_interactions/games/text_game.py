"""The game that an encoder, such as BERT's classifier, plays on a text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from inspect import signature
from typing import Any, Literal, NamedTuple, get_args

import torch
from torch import Tensor, nn

from captum_interactions._captum import progress_bar
from captum_interactions._checks import bad_type, bad_value, check_enumerable
from captum_interactions.functional.coalitions import all_masks
from captum_interactions.games._language_model import ROWS_ON, TOKENS_ON
from captum_interactions.games.arguments import warn_if_training
from captum_interactions.games.base import Game
from captum_interactions.games.value_functions import ValueFunction, logit
from captum_interactions.players import Players, PromptPlayers

__all__ = ["TextGame", "evaluate_together"]

Absence = Literal["drop", "mask", "pad", "attention", "embedding"]


class _Row(NamedTuple):
    """What the model is shown for one coalition."""

    ids: tuple[int, ...]
    present: tuple[bool, ...]  # of each token


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
        ValueError: If the kind of absence is unknown, or the tokenizer has no such
            token; always before the first forward pass.

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
        if not isinstance(model, nn.Module):
            bad_type("model", "a torch module", model, "load the model")
        if not isinstance(players, PromptPlayers):
            bad_type("players", "PromptPlayers", players, "make them of the text")
        if absence not in get_args(Absence):
            bad_value(
                "absence", f"one of {get_args(Absence)}", repr(absence), "pick one"
            )
        if target is not None and (
            isinstance(target, bool) or not isinstance(target, int)
        ):
            bad_type("target", "a class, or None for all", target, "pass its index")
        if absence != "drop" and players.render is not None:
            bad_value("absence", "'drop' here", repr(absence), "rows are texts")
        self.model = model
        self.text = players
        self.players = Players(
            ids=tuple(range(len(players))),
            names=players.names,
            masks=(torch.arange(len(players))[None],),
        )
        self.n_forwards = 0
        self._target = target
        self._absence = absence
        self._value = value(_identity)
        self.show_progress = show_progress
        self._known: dict[bytes, Tensor] = {}
        self._stand_in = self._token_for(absence)
        self._pad = getattr(players.tokenizer, "pad_token_id", None) or 0
        self._embedding = self._vector(embedding) if absence == "embedding" else None
        warn_if_training(model)

    def __repr__(self) -> str:
        return (
            f"TextGame({self.n_players} players, absence {self._absence!r}, "
            f"{self.n_evaluations} coalitions evaluated)"
        )

    @property
    def batch_size(self) -> int:
        """One: the text."""
        return 1

    @property
    def value_dtype(self) -> torch.dtype:
        """Floating dtype of the model, whose rounding the values have."""
        parameter = next(iter(self.model.parameters()), None)
        return torch.get_default_dtype() if parameter is None else parameter.dtype

    @property
    def n_evaluations(self) -> int:  # type: ignore[override]
        """Distinct coalitions evaluated so far."""
        return len(self._known)

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
        _evaluate([(self, masks)], self.show_progress)
        return torch.stack([self._known[_packed(m)] for m in masks], -1)[None]

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

    def row(self, mask: Tensor | Sequence[bool]) -> _Row:
        """Return the token ids that the model is shown, and which of them are present.

        Args:
            mask: Who is present, ``(n,)``.
        """
        ending = () if self.text.render is not None else self.text.ending
        if self._absence == "drop":
            ids = self.text.row(mask) + ending
            return _Row(ids, (True,) * len(ids))
        tokens: list[int] = []
        there: list[bool] = []
        for piece in self.text.pieces:
            present = piece.owner is None or bool(mask[piece.owner])
            stand_in = None if present else self._stand_in
            tokens += piece.ids if stand_in is None else [stand_in] * len(piece.ids)
            there += [present] * len(piece.ids)
        return _Row((*tokens, *ending), (*there, *(True for _ in ending)))

    def _values(self, rows: Sequence[_Row]) -> Tensor:  # (rows, *outputs)
        """One forward pass."""
        device = next((p.device for p in self.model.parameters()), torch.device("cpu"))
        width = max(len(row.ids) for row in rows)
        filled = [row.ids + (self._pad,) * (width - len(row.ids)) for row in rows]
        real = [[1] * len(row.ids) + [0] * (width - len(row.ids)) for row in rows]
        there = [row.present + (True,) * (width - len(row.ids)) for row in rows]
        ids = torch.tensor(filled, device=device)
        attention = torch.tensor(real, device=device)
        present = torch.tensor(there, device=device)
        if self._absence == "attention":
            attention = attention * present
        inputs: dict[str, Tensor] = {"input_ids": ids}
        if self._embedding is not None:
            embedded = self.model.get_input_embeddings()(ids)  # type: ignore[operator]
            vector = self._embedding.to(embedded)
            inputs = {
                "inputs_embeds": torch.where(present[..., None], embedded, vector)
            }
        if "attention_mask" in signature(self.model.forward).parameters:
            inputs["attention_mask"] = attention
        with torch.no_grad():
            output = self.model(**inputs)
            logits = getattr(output, "logits", output)
            if logits.dim() != 2 or len(logits) != len(rows):
                raise ValueError(
                    f"`model` must return logits ({len(rows)}, classes), got shape "
                    f"{tuple(logits.shape)}; pass a sequence classifier"
                )
            values = self._value(logits.double())
        if self._target is not None:
            if not -values.shape[1] <= self._target < values.shape[1]:
                bad_value(
                    "target",
                    f"a class below {values.shape[1]}",
                    self._target,
                    "pick one",
                )
            values = values[:, self._target]
        return values.cpu()

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

    def _token_for(self, absence: Absence) -> int | None:
        if absence not in ("mask", "pad"):
            return None
        token = getattr(self.text.tokenizer, f"{absence}_token_id", None)
        if token is None:
            bad_value(
                "absence",
                "one that the tokenizer can write",
                repr(absence),
                f"it has no {absence} token; take 'drop' or 'attention'",
            )
        return int(token)

    def _vector(self, embedding: Tensor | None) -> Tensor:
        table = getattr(self.model, "get_input_embeddings", lambda: None)()
        if (
            table is None
            or "inputs_embeds" not in signature(self.model.forward).parameters
        ):
            bad_value(
                "absence",
                "one that the model can show",
                "'embedding'",
                "it takes no inputs_embeds; take 'drop', 'mask' or 'attention'",
            )
        size = table.weight.shape[1]
        vector = torch.zeros(size) if embedding is None else embedding
        if tuple(vector.shape) != (size,):
            bad_value(
                "embedding",
                f"of shape ({size},)",
                f"shape {tuple(vector.shape)}",
                "pass one vector, or None for zeros",
            )
        return vector


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
    _evaluate([(game, all_masks(game.n_players)) for game in games], show_progress)


def _evaluate(wanted: Sequence[tuple[TextGame, Tensor]], show_progress: bool) -> None:
    """Evaluate what is missing, in batches of similar length and one kind."""
    missing: dict[tuple[int, bytes], tuple[TextGame, _Row]] = {}
    for game, masks in wanted:
        for mask in masks:
            key = _packed(mask)
            if key not in game._known:
                missing.setdefault((id(game), key), (game, game.row(mask)))
    jobs = sorted(
        ((game, key, row) for (_, key), (game, row) in missing.items()),
        key=lambda job: len(job[2].ids),
    )
    kinds: dict[Any, list[tuple[TextGame, bytes, _Row]]] = {}
    for job in jobs:
        kinds.setdefault(_kind(job[0]), []).append(job)
    with progress_bar(show_progress, "TextGame", len(jobs)) as bar:
        for kind in kinds.values():
            _run(kind, bar)


def _kind(game: TextGame) -> Any:
    """What must be the same in one batch."""
    transform = getattr(game._value, "transform", game._value)
    return game._target, game._absence, transform, id(game._embedding)


def _run(jobs: Sequence[tuple[TextGame, bytes, _Row]], bar: Any) -> None:
    device = next((p.device.type for p in jobs[0][0].model.parameters()), "cpu")
    tokens, rows = TOKENS_ON[device == "cpu"], ROWS_ON[device == "cpu"]
    start = 0
    while start < len(jobs):
        stop = start + 1
        while (
            stop < len(jobs)
            and stop - start < rows
            and (stop - start + 1) * len(jobs[stop][2].ids) <= tokens
        ):
            stop += 1
        batch = jobs[start:stop]
        values = batch[0][0]._values([row for _, _, row in batch])
        _check_finite(values)
        for (game, key, _), value in zip(batch, values, strict=True):
            game._known[key] = value
        for game in {id(game): game for game, _, _ in batch}.values():
            game.n_forwards += 1
        bar.update(len(batch))
        start = stop


def _check_finite(values: Tensor) -> None:
    if not bool(torch.isfinite(values).all()):
        raise ValueError(
            "`model` must return finite logits, got NaN or infinity; check the model, "
            "or explain a value that stays finite"
        )


def _identity(logits: Tensor) -> Tensor:
    return logits


def _packed(mask: Tensor) -> bytes:
    return bytes(mask.tolist())
