"""Learning baselines: the descent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import repeat
from typing import Any

import torch
from torch import Tensor

from captum_interactions._captum import progress_bar
from captum_interactions.baselines._box import BoundedBaselines
from captum_interactions.baselines._settings import FitSettings
from captum_interactions.baselines._terms import loss_terms
from captum_interactions.baselines.examples import ExampleGames, pieces
from captum_interactions.games import ModelGame
from captum_interactions.games.passes import rows_kept

__all__ = ["Descent"]


@dataclass(frozen=True, eq=False)
class Descent:
    """How baselines move.

    Attributes:
        settings: Which loss, and how it is minimized.
        per_example: Whether each example has its own baseline.
        generator: Source of randomness.
        show_progress: Show a bar that counts steps.
    """

    settings: FitSettings
    per_example: bool
    generator: torch.Generator | None
    show_progress: bool

    def parts(
        self, games: ExampleGames, game: ModelGame, box: BoundedBaselines
    ) -> list[tuple[BoundedBaselines, Iterator[ModelGame]]]:
        """Return what is optimized together, with the games for each of it."""
        size = self.settings.batch_size
        if not self.per_example:
            return [(box, games.forever(size, self.generator))]
        terms = loss_terms(self.settings, game.n_players, self.generator)
        most = max(term.n_coalitions for term in terms)
        fits = max(1, rows_kept(game.inputs) // most)
        return [
            (box.rows(index), repeat(game.select(index)))
            for index in torch.arange(game.batch_size).split(min(fits, size or fits))
        ]

    def run(
        self, parts: list[tuple[BoundedBaselines, Iterator[ModelGame]]]
    ) -> tuple[float, ...]:
        """Move all baselines down the loss, in place.

        Returns:
            The loss of every step, a mean over examples.
        """
        steps = self.settings.steps
        mean = torch.zeros(steps, dtype=torch.float64)
        rows = sum(box.size for box, _ in parts)
        with progress_bar(
            self.show_progress, "LearnedBaselineShapley", steps * len(parts)
        ) as bar:
            for box, games in parts:
                losses = torch.tensor(self._descend(box, games, bar)).double()
                mean += losses * box.size / rows
        return tuple(mean.tolist())

    def _descend(
        self, box: BoundedBaselines, games: Iterator[ModelGame], bar: Any
    ) -> list[float]:
        settings, parameters = self.settings, box.parameters
        kind = torch.optim.Adam if settings.adam else torch.optim.SGD
        optimizer = kind(parameters, lr=settings.learning_rate)
        decay = settings.decay ** (1 / max(1, settings.steps - 1))
        schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, decay)
        history: list[float] = []
        for _ in range(settings.steps):
            optimizer.zero_grad()
            history.append(self._step(box, next(games)))
            box.record_slope()
            optimizer.step()
            schedule.step()
            box.project()
            bar.update(1)
        return history

    def _step(self, box: BoundedBaselines, game: ModelGame) -> float:
        """Leave a step's gradient at the parameters, and return its loss."""
        loss, size = 0.0, game.batch_size
        for term in loss_terms(self.settings, game.n_players, self.generator):
            fits = max(1, rows_kept(game.inputs) // term.n_coalitions)
            for piece in pieces(game, size if self.per_example else fits):
                # Own baselines have gradients of their own; shared ones a mean.
                divisor = 1 if self.per_example else size
                losses = term.losses(piece.with_baselines(box.values()))
                part = losses.sum() / divisor
                _accumulate(part, box.parameters)
                loss += part.item() * divisor / size
        return loss


def _accumulate(loss: Tensor, parameters: tuple[Tensor, ...]) -> None:
    """Add a gradient to the parameters', and to nothing else's."""
    gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
    for parameter, gradient in zip(parameters, gradients, strict=True):
        if gradient is not None:
            parameter.grad = (
                gradient if parameter.grad is None else parameter.grad + gradient
            )
