"""The game on perturbation units: absent units leave the clean input in place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, get_args

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from captum_interactions._captum import format_additional_forward_args
from captum_interactions._checks import bad_type, bad_value, check_positive_int
from captum_interactions._signature import checked
from captum_interactions.functional.coalitions import accumulation_dtype
from captum_interactions.games import Game, ModelGame
from captum_interactions.games.arguments import format_inputs
from captum_interactions.games.logits import check_labels, check_logits
from captum_interactions.games.passes import Passes
from captum_interactions.players import grid_mask

__all__ = [
    "perturbation_game",
    "unit_interactions",
    "mean_interaction",
    "perturbation_units",
]

Utility = Literal["margin", "moving_margin", "cross_entropy"]

# The papers divide images into 16 × 16 cells.
_CELLS = 16


@checked
def perturbation_units(
    inputs: tuple[Tensor, ...], feature_mask: Tensor | tuple[Tensor, ...] | None
) -> Tensor | tuple[Tensor, ...] | None:
    """Return the feature mask of the units of a perturbation.

    Unless a mask is given, those of a batch of images are the cells of a 16 × 16 grid
    (the pixels of smaller ones), all channels of a cell together; other inputs have
    every element as a unit.

    Example:
        >>> int(perturbation_units((torch.zeros(1, 3, 8, 8),), None).max())
        63
    """
    inputs = format_inputs(inputs)
    if feature_mask is not None or len(inputs) > 1 or inputs[0].dim() != 4:
        return feature_mask
    height, width = inputs[0].shape[-2:]
    return grid_mask(height, width, min(_CELLS, height), min(_CELLS, width))


@checked
def perturbation_game(
    forward_func: Callable[..., Tensor],
    inputs: Tensor | tuple[Tensor, ...],
    adversarial: Tensor | tuple[Tensor, ...],
    target: Any,
    additional_forward_args: Any = None,
    feature_mask: Tensor | tuple[Tensor, ...] | None = None,
    *,
    utility: Utility = "margin",
    perturbations_per_eval: int | None = None,
) -> ModelGame:
    """Return the game of a perturbation δ: v(S) is the utility of x + δ^(S).

    δ^(S) is δ on the units of S and 0 elsewhere, so the clean input is the baseline.
    The margin z_y' − z_y is positive where the attack succeeds. Its rival y' is the
    strongest other class at x + δ and stays the same for all S, as in the authors'
    code; ``"moving_margin"`` takes the strongest at each x + δ^(S), another game.

    Args:
        forward_func: Classifier that returns logits ``(batch, classes)``.
        inputs: The clean input x.
        adversarial: x + δ, of the same shape.
        target: True labels ``(batch,)``, or an int.
        additional_forward_args: Passed to ``forward_func`` after the inputs.
        feature_mask: Which elements form a unit; see :func:`perturbation_units`.
        utility: ``"margin"``, ``"moving_margin"`` or ``"cross_entropy"``.
        perturbations_per_eval: Coalitions per forward pass; ``None`` times some.

    Returns:
        The game; v is in logits (nats for cross entropy). Any reading applies, such as
        ``shapley_interaction_index(game.table())``.

    Raises:
        TypeError: If labels are not integers.
        ValueError: If shapes or labels don't fit, or ``forward_func`` returns
            probabilities.

    References:
        Wang et al., "A unified approach to interpreting and boosting adversarial
        transferability" (ICLR 2021).

    Example:
        >>> game = perturbation_game(
        ...     torch.nn.Identity(), torch.zeros(1, 2), torch.tensor([[-1.0, 2.0]]), 0
        ... )
        >>> game.table().tolist()
        [[0.0, 1.0, 2.0, 3.0]]
    """
    if utility not in get_args(Utility):
        bad_value("utility", f"one of {get_args(Utility)}", repr(utility), "pick one")
    clean, perturbed = format_inputs(inputs), format_inputs(adversarial)
    if [t.shape for t in clean] != [t.shape for t in perturbed]:
        bad_value(
            "adversarial",
            f"of the inputs' shapes {[tuple(t.shape) for t in clean]}",
            [tuple(t.shape) for t in perturbed],
            "pass x + δ, not δ of a part",
        )
    if perturbations_per_eval is not None:
        check_positive_int("perturbations_per_eval", perturbations_per_eval, "or None")
    labels = as_labels(target, len(clean[0]), clean[0].device)
    args = format_additional_forward_args(additional_forward_args) or ()
    with torch.no_grad():
        logits = Passes(forward_func, len(labels), args).outputs(perturbed)
    check_classes(logits, labels)
    rivals = strongest_other(logits, labels)

    def value(*arguments: Any) -> Tensor:
        *rows, own, rival = arguments
        logits = forward_func(*rows)
        if utility == "cross_entropy":
            return cross_entropy(logits, own, reduction="none")
        if utility == "moving_margin":
            rival = strongest_other(logits, own)
        return margin_of(logits, own, rival)

    return ModelGame(
        value,
        perturbed,
        baselines=clean,
        additional_forward_args=(*args, labels, rivals),
        feature_mask=perturbation_units(clean, feature_mask),
        perturbations_per_eval=perturbations_per_eval,
        name="Perturbation game",
    )


@checked
def unit_interactions(game: Game) -> Tensor:
    """Evaluate each unit's mean interaction with the others, from 2n + 2 coalitions.

    The mean of the Shapley interaction index I(a,b) over b≠a is
    [v(N) − v(N∖{a}) − v({a}) + v(∅)]/(n − 1): the sum of a player's interactions is
    what it adds last, less what it adds first. That is exact, and far from the 2**n
    coalitions that single pairs take.

    Args:
        game: Any game of at least two players.

    Returns:
        ``(*batch, n)``, in the units of the value function.

    Raises:
        ValueError: If there are fewer than two players.

    Example:
        >>> from captum_interactions.games import TableGame
        >>> unit_interactions(TableGame(torch.tensor([0.0, 1.0, 2.0, 5.0]))).tolist()
        [2.0, 2.0]
    """
    n = game.n_players
    if n < 2:
        bad_value(
            "game", "one of at least two units", f"{n}", "refine the `feature_mask`"
        )
    own = torch.eye(n, dtype=torch.bool)
    ends = torch.stack([torch.ones(n), torch.zeros(n)]).bool()
    values = game(torch.cat([ends, ~own, own]))
    values = values.to(accumulation_dtype(values.device))
    full, empty = values[..., :1], values[..., 1:2]
    without, alone = values[..., 2 : n + 2], values[..., n + 2 :]
    return (full - without - alone + empty) / (n - 1)


@checked
def mean_interaction(game: Game) -> Tensor:
    """Evaluate the mean interaction of all pairs of units, from 2n + 2 coalitions.

    Args:
        game: Any game of at least two players.

    Returns:
        E over pairs of I(a,b), ``(*batch,)``, in the units of the value function.

    Raises:
        ValueError: If there are fewer than two players.

    References:
        Wang et al. (ICLR 2021), Eq. 4.

    Example:
        >>> from captum_interactions.games import TableGame
        >>> mean_interaction(TableGame(torch.tensor([0.0, 1.0, 2.0, 5.0]))).item()
        2.0
    """
    return unit_interactions(game).mean(-1)


def as_labels(target: Any, batch: int, device: torch.device) -> Tensor:
    """Return class labels ``(batch,)`` from one of Captum's forms.

    Raises:
        TypeError: If they are not integers.
        ValueError: If there is not one per example.
    """
    target = check_labels(target, batch)
    if target is None or isinstance(target, tuple):
        bad_type("target", "class labels", target, "an attack needs a class")
    if isinstance(target, list) and not all(isinstance(t, int) for t in target):
        bad_value("target", "a list of integers", target, "one label per example")
    return torch.as_tensor(target, device=device).reshape(-1).expand(batch)


def check_classes(logits: Any, labels: Tensor) -> None:
    """Refuse outputs that aren't logits with a column for every label.

    Raises:
        TypeError: If the output is no tensor.
        ValueError: If it isn't ``(batch, classes)``, holds probabilities, or a label
            is out of range.
    """
    check_logits(logits, "forward_func")
    if logits.dim() != 2 or logits.shape[1] < 2 or len(logits) != len(labels):
        bad_value(
            "forward_func",
            f"one that returns logits ({len(labels)}, classes)",
            f"shape {tuple(logits.shape)}",
            "wrap the model",
        )
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= logits.shape[1]:
        bad_value(
            "target",
            f"labels in 0..{logits.shape[1] - 1}",
            f"labels in {low}..{high}",
            "one column of the output each",
        )


def strongest_other(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the class with the largest logit besides the label, ``(batch,)``."""
    own = labels.unsqueeze(1)
    return logits.detach().scatter(1, own, -torch.inf).argmax(1)


def margin_of(logits: Tensor, labels: Tensor, rivals: Tensor) -> Tensor:
    """Return z_rival − z_label of logits ``(batch, classes, …)``, ``(batch, …)``."""
    columns = torch.stack([rivals, labels], dim=1)
    columns = columns.reshape(*columns.shape, *(1,) * (logits.dim() - 2))
    rival, own = logits.gather(1, columns.expand(-1, -1, *logits.shape[2:])).unbind(1)
    return rival - own
