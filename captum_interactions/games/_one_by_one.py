"""What is raised and said when every coalition needs a forward pass of its own."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import NoReturn

from torch import Tensor

from captum_interactions._checks import bad_value, user_level
from captum_interactions.games._ranks import OnAllRanks
from captum_interactions.games.batching import is_out_of_memory

__all__ = [
    "ScalarPerBatchError",
    "UnbatchableError",
    "ask_again",
    "check_scalar_per_batch",
    "warn_of_passes",
]


class UnbatchableError(OnAllRanks):
    """Coalitions can't share a pass; says why."""


class ScalarPerBatchError(UnbatchableError):
    """They can't because the forward function returns one scalar for a batch."""


def check_scalar_per_batch(per_eval: int | None) -> None:
    """Refuse several coalitions per pass, where a pass returns one scalar."""
    if per_eval is not None and per_eval > 1:
        bad_value(
            "perturbations_per_eval",
            "1 or None when `forward_func` returns one scalar per batch",
            per_eval,
            "coalitions can't share a batch then",
        )


def warn_of_passes(why: UnbatchableError, batch_size: int) -> None:
    """Say that every coalition gets a pass of its own."""
    examples = (
        f" (the {batch_size} examples still share it; explain them one at a time if "
        "they should not)"
    ) * (batch_size > 1)
    warnings.warn(
        "`forward_func` does not give several coalitions in one forward pass the "
        f"values it gives each alone: {why}. Every coalition gets its own pass "
        f"instead{examples}, which is slower; `perturbations_per_eval=1` chooses "
        "this without trying",
        UserWarning,
        stacklevel=user_level(),
    )


def ask_again(
    outputs: Callable[[tuple[Tensor, ...], int], Tensor],
    rows: tuple[Tensor, ...],
    repeats: int,
    error: Exception,
) -> NoReturn:
    """Tell a batch size that does not fit from an error that came by chance."""
    try:
        outputs(rows, repeats)
    except Exception as again:
        if is_out_of_memory(again):
            raise
        said = "".join(str(error).splitlines()[:1])[:200]
        raise UnbatchableError(
            f"it fails on {repeats} of them, {type(error).__name__}: {said}"
        ) from error
    raise error
