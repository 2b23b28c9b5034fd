"""AND-OR interactions: the sparse symbolic form of a model's output."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from captum_interactions._captum import progress_bar
from captum_interactions._checks import bad_value
from captum_interactions.attr.base import (
    AbstractInteractionAttribution,
    attribution_of,
    info_of,
    with_batch,
)
from captum_interactions.functional.and_or_split import (
    Solver,
    and_or_split,
    check_split_options,
)
from captum_interactions.games import Game
from captum_interactions.results import AndOrInteractionResult

__all__ = ["AndOrInteraction"]


class AndOrInteraction(AbstractInteractionAttribution):
    """AND-OR interactions: v = v_and + v_or with the fewest, in the sense of least l1.

    An AND interaction acts when all its players are present, an OR interaction when any
    one is. All 2**n coalitions are evaluated once; the split is a convex problem that
    is solved to a certified accuracy (``result.gap``).

    Args:
        forward_func: Model or callable to explain.

    References:
        Li & Zhang, "Does a neural network really encode symbolic concepts?" (ICML
        2023); Zhou et al., "Explaining generalization power of a DNN using interactive
        concepts" (AAAI 2024).

    Example:
        >>> model = lambda x: 3 * x[:, 0] * x[:, 1] + torch.maximum(x[:, 1], x[:, 2])
        >>> result = AndOrInteraction(model).interactions(torch.ones(1, 3))
        >>> result.top_k(2)
        [[(0 ∧ 1) +3, (1 ∨ 2) +1]]
        >>> result.r_squared().item()
        1.0
    """

    def interactions(
        self,
        inputs: Tensor | tuple[Tensor, ...],
        baselines: Any = None,
        target: Any = None,
        additional_forward_args: Any = None,
        feature_mask: Tensor | tuple[Tensor, ...] | None = None,
        solver: Solver = "admm",
        noise_bound: float = 0.0,
        value_noise: float | None = None,
        tolerance: float = 1e-4,
        max_iterations: int | None = None,
        weights: Tensor | None = None,
        perturbations_per_eval: int | None = None,
        show_progress: bool = False,
    ) -> AndOrInteractionResult:
        """AND and OR interactions of all coalitions.

        The first five arguments and the last two are those of
        :class:`~captum_interactions.games.ModelGame`; the split's options are those of
        :func:`~captum_interactions.functional.and_or_split`.

        Args:
            inputs: Input tensor or tuple of tensors, batch axis first.
            baselines: What replaces absent players.
            target: Which output is explained.
            additional_forward_args: Further arguments of the forward function.
            feature_mask: Which input elements form a player.
            solver: ``"admm"``, or ``"sgd"`` for the papers' procedure.
            noise_bound: Largest noise term |q(S)|, as a part of each example's
                |v(N) − v(∅)|, the authors' convention (0.02 to 0.05); 0 leaves it out.
            value_noise: Standard deviation of the noise of v, for the noise floor, in
                the units of the value function; ``None`` takes four units in the last
                place of the model's dtype at max |v|.
            tolerance: Relative duality gap to reach.
            max_iterations: When to stop short of it.
            weights: What |I_and(S)| and |I_or(S)| count in the norm, positive,
                broadcastable to ``(batch, *outputs, 2, 2**n)``; all 1 by default.
            perturbations_per_eval: Coalitions per forward pass; ``None`` finds it.
            show_progress: Show a progress bar, and a second one that moves while the
                split is solved.

        Returns:
            The interactions and everything that can be read from them.

        Raises:
            TypeError: As :class:`~captum_interactions.games.ModelGame`.
            ValueError: As :class:`~captum_interactions.games.ModelGame`, or if there
                are too many players for the solver or an option is out of range.
        """
        game = self._game(
            inputs,
            baselines,
            target,
            additional_forward_args,
            feature_mask,
            perturbations_per_eval,
            show_progress,
        )
        return self.read(
            game,
            solver,
            noise_bound,
            value_noise,
            tolerance,
            max_iterations,
            weights,
        )

    attribute = attribution_of(
        interactions,
        "Shapley values, read from both parts (with a noise term, those of v + q).",
    )

    @classmethod
    def read(
        cls,
        game: Game,
        solver: Solver = "admm",
        noise_bound: float = 0.0,
        value_noise: float | None = None,
        tolerance: float = 1e-4,
        max_iterations: int | None = None,
        weights: Tensor | None = None,
    ) -> AndOrInteractionResult:
        """AND-OR interactions of any game; options are those of :meth:`interactions`.

        Example:
            >>> from captum_interactions.games import TableGame
            >>> found = AndOrInteraction.read(TableGame(torch.tensor([0.0, 1, 1, 1])))
            >>> found.top_k(1)
            [[(0 ∨ 1) +1]]
        """
        check_split_options(
            game.n_players,
            solver,
            noise_bound,
            tolerance,
            max_iterations=max_iterations,
            weights=weights,
        )
        if value_noise is not None and not value_noise >= 0:
            bad_value("value_noise", "at least 0", value_noise, "None estimates it")
        table = with_batch(game.table())
        v_empty, v_full = table[..., 0], table[..., -1]
        with progress_bar(game.show_progress, "AND-OR split", 100) as bar:
            split = and_or_split(
                table,
                solver,
                weights=weights,
                noise_bound=noise_bound * (v_full - v_empty).abs(),
                tolerance=tolerance,
                max_iterations=max_iterations,
                on_progress=_percent(bar),
            )
        info = info_of(game, v_empty, v_full, table.shape[-1], table.abs().amax(-1))
        if value_noise is not None:
            info = replace(info, value_noise=torch.full_like(v_full, value_noise))
        return AndOrInteractionResult(
            info=info,
            parts=torch.stack([split.and_values, split.or_values], dim=-2),
            noise=split.noise,
            norm=split.objective,
            lower_bound=split.lower_bound,
        )


def _percent(bar: Any) -> Callable[[float], None]:
    """Move a bar of a hundred steps to a share of the work."""
    shown = 0

    def advance(share: float) -> None:
        nonlocal shown
        now = int(100 * share + 1e-9)
        bar.update(now - shown)
        shown = now

    return advance
