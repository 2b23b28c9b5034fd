"""Rows of a text that an encoder is shown, and their values, in shared batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from inspect import signature
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from captum_interactions._captum import progress_bar
from captum_interactions._checks import bad_value
from captum_interactions.games._blocks import BlockSource
from captum_interactions.games._digest import Fingerprints, digest
from captum_interactions.games._model_traits import ROWS_ON, TOKENS_ON, device_of
from captum_interactions.games._surroundings import surroundings
from captum_interactions.games.evaluation import current_evaluation
from captum_interactions.games.value_functions import ValueFunction
from captum_interactions.players import PromptPlayers

__all__ = ["Absence", "TextRow", "TextRows", "evaluate_rows"]

Absence = Literal["drop", "mask", "pad", "attention", "embedding"]


class TextRow(NamedTuple):
    """What the model is shown for one coalition."""

    ids: tuple[int, ...]
    present: tuple[bool, ...]  # of each token


class TextRows:
    """What one text's coalitions show the model, and the values known of them.

    Args:
        model: The encoder.
        players: The text.
        target: The class explained; None keeps all of them.
        absence: What absence means.
        value: The value function, of logits.
        embedding: The vector of absent tokens; None for zeros.

    Attributes:
        target: The class explained.
        known: Value of each coalition evaluated so far.
        n_forwards: Forward passes so far that this text took part in.
    """

    def __init__(
        self,
        model: nn.Module,
        players: PromptPlayers,
        target: int | None,
        absence: Absence,
        value: ValueFunction,
        embedding: Tensor | None,
    ) -> None:
        self.model = model
        self.text = players
        self.absence = absence
        self.known: dict[bytes, Tensor] = {}
        self.n_forwards = 0
        self.target = target
        self._value = value
        self._stand_in = self._token_for(absence)
        self._pad = getattr(players.tokenizer, "pad_token_id", None) or 0
        self._embedding = self._vector(embedding) if absence == "embedding" else None

    @property
    def kind(self) -> Any:
        """What must be the same in one batch."""
        transform = getattr(self._value, "transform", self._value)
        return self.target, self.absence, transform, id(self._embedding)

    @property
    def settings(self) -> tuple[Any, ...]:
        """What values depend on beside the model and its rows."""
        return self.absence, self._value, self._pad, self._embedding

    def row(self, mask: Tensor | Sequence[bool]) -> TextRow:
        """Return the token ids that the model is shown, and which are present."""
        ending = () if self.text.render is not None else self.text.ending
        if self.absence == "drop":
            ids = self.text.row(mask) + ending
            return TextRow(ids, (True,) * len(ids))
        tokens: list[int] = []
        there: list[bool] = []
        for piece in self.text.pieces:
            present = piece.owner is None or bool(mask[piece.owner])
            stand_in = None if present else self._stand_in
            tokens += piece.ids if stand_in is None else [stand_in] * len(piece.ids)
            there += [present] * len(piece.ids)
        return TextRow((*tokens, *ending), (*there, *(True for _ in ending)))

    def values_of(self, masks: Tensor) -> Tensor:  # (*outputs, C)
        """Return the values of coalitions that are known."""
        return torch.stack([self.known[_packed(m)] for m in masks], -1)

    def forward(self, rows: Sequence[TextRow]) -> Tensor:  # (rows, *outputs)
        """One forward pass."""
        device = device_of(self.model)
        width = max(len(row.ids) for row in rows)
        filled = [row.ids + (self._pad,) * (width - len(row.ids)) for row in rows]
        real = [[1] * len(row.ids) + [0] * (width - len(row.ids)) for row in rows]
        there = [row.present + (True,) * (width - len(row.ids)) for row in rows]
        ids = torch.tensor(filled, device=device)
        attention = torch.tensor(real, device=device)
        present = torch.tensor(there, device=device)
        if self.absence == "attention":
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
        if self.target is not None:
            if not -values.shape[1] <= self.target < values.shape[1]:
                bad_value(
                    "target",
                    f"a class below {values.shape[1]}",
                    self.target,
                    "pick one",
                )
            values = values[:, self.target]
        return values.cpu()

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


def evaluate_rows(
    wanted: Sequence[tuple[TextRows, Tensor]], show_progress: bool
) -> None:
    """Evaluate what is missing, in batches of similar length and one kind."""
    missing: dict[tuple[int, bytes], tuple[TextRows, TextRow]] = {}
    for text, masks in wanted:
        for mask in masks:
            key = _packed(mask)
            if key not in text.known:
                missing.setdefault((id(text), key), (text, text.row(mask)))
    jobs = sorted(
        (_Job(text, key, row) for (_, key), (text, row) in missing.items()),
        key=lambda job: (len(job.row.ids), job.key),
    )
    settings = current_evaluation()
    if settings is not None:
        for text in {id(job.text): job.text for job in jobs}.values():
            mine = [job for job in jobs if job.text is text]
            values = settings.run(_TextBlocks(mine, show_progress))
            text.known.update(
                zip((job.key for job in mine), values.unbind(-1), strict=True)
            )
        return
    kinds: dict[Any, list[_Job]] = {}
    for job in jobs:
        kinds.setdefault(job.text.kind, []).append(job)
    with progress_bar(show_progress, "TextGame", len(jobs)) as bar:
        for kind in kinds.values():
            for batch, values in _passes(kind):
                for job, value in zip(batch, values, strict=True):
                    job.text.known[job.key] = value
                bar.update(len(batch))


class _Job(NamedTuple):
    """A row that is to be evaluated."""

    text: TextRows
    key: bytes
    row: TextRow


class _TextBlocks(BlockSource):
    """The rows of one text, shortest first, as blocks for a store and for ranks."""

    name = "TextGame"
    device = torch.device("cpu")

    def __init__(self, jobs: Sequence[_Job], show_progress: bool) -> None:
        self.total = len(jobs)
        self.show_progress = show_progress
        self._jobs, self._text = jobs, jobs[0].text

    def evaluate(self, start: int, stop: int) -> Tensor:
        """Return the values of a range, ``(*outputs, stop − start)``."""
        values = [values for _, values in _passes(self._jobs[start:stop])]
        return torch.cat(values).movedim(0, -1)

    def describe(self, known: Fingerprints) -> tuple[dict[str, str], list[nn.Module]]:
        """Name the rows, the target and the model."""
        named, modules = known.of(self._text.model)
        return {
            "inputs": digest([tuple(job.row) for job in self._jobs]),
            "target": digest(self._text.target),
            "arguments": digest("TextGame", *self._text.settings),
            **named,
            **surroundings(),
        }, modules

    def noted(self) -> dict[str, Any]:
        """Nothing is learned from a pass."""
        return {}

    def recall(self, noted: dict[str, Any]) -> None:
        """Nothing to take back."""


def _passes(jobs: Sequence[_Job]) -> Iterator[tuple[Sequence[_Job], Tensor]]:
    """Evaluate rows of one kind, sorted by length, and count the passes."""
    on_cpu = device_of(jobs[0].text.model).type == "cpu"
    tokens, rows = TOKENS_ON[on_cpu], ROWS_ON[on_cpu]
    start = 0
    while start < len(jobs):
        stop = start + 1
        while (
            stop < len(jobs)
            and stop - start < rows
            and (stop - start + 1) * len(jobs[stop].row.ids) <= tokens
        ):
            stop += 1
        batch = jobs[start:stop]
        values = batch[0].text.forward([job.row for job in batch])
        _check_finite(values)
        for text in {id(job.text): job.text for job in batch}.values():
            text.n_forwards += 1
        yield batch, values
        start = stop


def _check_finite(values: Tensor) -> None:
    if not bool(torch.isfinite(values).all()):
        raise ValueError(
            "`model` must return finite logits, got NaN or infinity; check the model, "
            "or explain a value that stays finite"
        )


def _packed(mask: Tensor) -> bytes:
    return bytes(mask.tolist())
