"""A game of ours as a ``shapiq.Game``, for shapiq's approximators and plots."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from captum_interactions._checks import bad_type, bad_value
from captum_interactions._signature import checked
from captum_interactions.games import Game, ModelGame
from captum_interactions.interop.distinct import DistinctCoalitions

if TYPE_CHECKING:
    import shapiq

__all__ = ["to_shapiq_game"]


@checked
def to_shapiq_game(
    game: Game,
    names: Sequence[str] | None = None,
    *,
    normalize: bool = False,
) -> shapiq.Game:
    """A game of ours as a ``shapiq.Game``: shapiq's tools on a Captum model.

    It takes a game rather than Captum's arguments, so that whatever plays one fits: a
    :class:`~captum_interactions.games.ModelGame`, a table, a perturbation. Coalitions
    are evaluated in batches on the model's device, each once, however often shapiq asks
    for it. With ``verbose=True`` shapiq asks for one at a time; ``show_progress`` of
    ``ModelGame`` keeps the batches.

    Args:
        game: A game of one example and one output.
        names: One name per player; ``None`` takes those of a ``ModelGame``.
        normalize: Let shapiq subtract v(∅) from all values. As it is, the empty
            prediction stays the baseline of shapiq's plots, and Möbius interactions
            add up to v.

    Returns:
        A ``shapiq.Game`` with two attributes more: ``player_names``, the list that
        shapiq's plots take as ``feature_names``, and ``n_evaluations``, the distinct
        coalitions evaluated so far. v(∅) and v(N) have been evaluated.

    Raises:
        ModuleNotFoundError: If shapiq is not installed.
        TypeError: If ``game`` is not a game.
        ValueError: If there is more than one example or output, or the names do not
            fit.

    Example:
        >>> import shapiq, torch
        >>> model = lambda x: x[:, 0] * x[:, 1] + x[:, 2]
        >>> game = to_shapiq_game(ModelGame(model, torch.ones(1, 3)))
        >>> pairs = shapiq.ExactComputer(game)("STII", 2)
        >>> {p: round(pairs[p], 9) for p in [(0, 1), (2,)]}
        {(0, 1): 1.0, (2,): 1.0}
    """
    n = getattr(game, "n_players", None)
    if not isinstance(n, int):
        bad_type("game", "a game", game, "pass ModelGame(model, inputs, …)")
    labels: Sequence[str] = [str(i) for i in range(n)]
    if isinstance(game, ModelGame):
        if game.batch_size != 1:
            bad_value(
                "game",
                "of one example",
                f"a batch of {game.batch_size}",
                "make one game per example; results take `to_shapiq(example=…)`",
            )
        labels = game.players.names
    labels = [str(name) for name in (labels if names is None else names)]
    if len(labels) != n or len(set(labels)) != n:
        bad_value("names", f"{n} distinct names", labels, "name every player")
    shapiq_game = _game_class()
    evaluate = DistinctCoalitions(game)
    v_empty, _ = evaluate(np.array([[False] * n, [True] * n]))
    return shapiq_game(
        evaluate,
        n_players=n,
        normalize=normalize,
        normalization_value=float(v_empty),
        player_names=labels,
    )


@cache
def _game_class() -> Any:
    """Make the class when shapiq is first needed."""
    import shapiq

    class ShapiqGame(shapiq.Game):
        """Coalitions of players of ours, with the values of our game."""

        def __init__(self, evaluate: DistinctCoalitions, **settings: Any) -> None:
            self._evaluate = evaluate
            self.player_names: list[str] = settings["player_names"]
            super().__init__(**settings)

        @property
        def n_evaluations(self) -> int:
            """Distinct coalitions evaluated so far."""
            return self._evaluate.n_evaluations

        def value_function(self, coalitions: np.ndarray) -> np.ndarray:
            """Return v of the coalitions, ``(C,)`` float64."""
            return self._evaluate(coalitions)

    return ShapiqGame
