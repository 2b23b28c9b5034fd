"""shapiq's sparse estimators on our games; they are imported when they are used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor

from captum_interactions._checks import bad_value, check_positive_int
from captum_interactions._signature import checked
from captum_interactions.attr.base import info_of
from captum_interactions.estimators import SparseEstimate
from captum_interactions.estimators.sparse import held_out_masks
from captum_interactions.games import ModelGame
from captum_interactions.interop.distinct import DistinctCoalitions
from captum_interactions.results import SparseInteractionResult

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["sparse_and_interactions"]

Approximator = Literal["SPEX", "ProxySPEX"]
_NEEDS = {"SPEX": ("sparse_transform", "galois"), "ProxySPEX": ("lightgbm",)}


@checked
def sparse_and_interactions(
    forward_func: Callable[..., Any],
    inputs: Tensor | tuple[Tensor, ...],
    baselines: Any = None,
    target: Any = None,
    additional_forward_args: Any = None,
    feature_mask: Tensor | tuple[Tensor, ...] | None = None,
    n_samples: int = 10_000,
    approximator: Approximator = "SPEX",
    n_held_out: int = 1000,
    perturbations_per_eval: int | None = None,
    show_progress: bool = False,
    *,
    generator: torch.Generator | None = None,
) -> SparseInteractionResult:
    """AND interactions of games of dozens of players, by shapiq's sparse estimators.

    They look for the few Fourier coefficients that make up a sparse game; if the game
    is not sparse, what they return is not it. The R² on random coalitions that the
    result reports is measured on fresh evaluations, and is the only thing to trust.

    Args:
        forward_func: Model or callable to explain.
        inputs: Input tensor or tuple of tensors, one example.
        baselines: What replaces absent players.
        target: Which output is explained; one.
        additional_forward_args: Further arguments of the forward function.
        feature_mask: Which input elements form a player.
        n_samples: Most coalitions the estimator may evaluate.
        approximator: ``"SPEX"`` (needs the extra ``sparse``) or ``"ProxySPEX"`` (as
            well).
        n_held_out: Random coalitions evaluated on top, to judge the result.
        perturbations_per_eval: Coalitions per forward pass; ``None`` finds it.
        show_progress: Show a progress bar.
        generator: Draws the estimator's seed and the held-out coalitions; ``None``
            takes fixed ones. The estimator draws from numpy by its own seed.

    Returns:
        The interactions found, with their R² on the held-out coalitions.

    Raises:
        ModuleNotFoundError: If shapiq, or what the estimator needs, is missing.
        TypeError: As :class:`~captum_interactions.games.ModelGame`.
        ValueError: As :class:`~captum_interactions.games.ModelGame`; if there is more
            than one example or output, or ``n_samples`` is too small for the estimator,
            or the game for what it looks for.

    References:
        Kang et al., "SPEX: Scaling feature interaction explanations for LLMs" (ICML
        2025); Butler et al., "ProxySPEX" (NeurIPS 2025).
    """
    if approximator not in get_args(Approximator):
        known = get_args(Approximator)
        bad_value("approximator", f"one of {known}", repr(approximator), "pick one")
    check_positive_int("n_samples", n_samples, "it is a budget of coalitions")
    check_positive_int("n_held_out", n_held_out, "1000 is a good number", holds=1)
    game = ModelGame(
        forward_func,
        inputs,
        baselines,
        target,
        additional_forward_args,
        feature_mask,
        perturbations_per_eval=perturbations_per_eval,
        show_progress=show_progress,
        name=approximator,
    )
    if game.batch_size != 1:
        bad_value(
            "inputs",
            "one example",
            f"a batch of {game.batch_size}",
            "call once per example, since each has its own list of interactions",
        )
    n = game.n_players
    seed = 0
    if generator is not None:
        seed = int(torch.randint(2**31, (), generator=generator))
    judge = _estimator(approximator, n, seed)
    evaluate = DistinctCoalitions(game)
    evaluate(np.array([[False] * n, [True] * n]))  # refuses several outputs at once
    terms = judge(n_samples, evaluate)
    held_out = held_out_masks(n, n_held_out, generator)
    masks = torch.zeros(len(terms), n, dtype=torch.bool)
    for row, members in zip(masks, terms, strict=True):
        row[list(members)] = True
    found = SparseEstimate.judged(
        masks,
        torch.tensor([list(terms.values())], dtype=torch.float64),
        held_out,
        torch.from_numpy(evaluate(held_out.numpy()))[None],
    )
    v_empty, v_full = evaluate(np.array([[False] * n, [True] * n]))
    info = info_of(
        game,
        torch.tensor([v_empty]),
        torch.tensor([v_full]),
        evaluate.n_evaluations,
    )
    return SparseInteractionResult(info, found, n_held_out)


def _estimator(
    name: str, n: int, seed: int
) -> Callable[[int, DistinctCoalitions], dict[tuple[int, ...], float]]:
    """Return a function from a budget and a game to I(S) by coalition."""
    for module in ("shapiq", *_NEEDS[name]):
        try:
            importlib.import_module(module)
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                f"approximator {name!r} needs the module {module!r}, which is not "
                "installed; try `pip install 'captum-interactions[sparse]'`"
            ) from error
    import shapiq

    base = getattr(shapiq.approximator, name)

    # shapiq finds the Möbius coefficients but offers only indices made from them; the
    # last step is a private method (1.4), replaced by one that keeps them.
    class KeepsMoebius(base):  # type: ignore[misc, valid-type]
        def _process_moebius(self, moebius_transform: dict) -> np.ndarray:
            self.found = dict(moebius_transform)
            self._interaction_lookup = {
                members: i for i, members in enumerate(moebius_transform)
            }
            return np.array(list(moebius_transform.values()))

    def estimate(budget: int, game: DistinctCoalitions) -> dict[tuple[int, ...], float]:
        estimator = KeepsMoebius(n=n, random_state=seed)
        state = np.random.get_state()  # noqa: NPY002  (sparse-transform draws from it)
        np.random.seed(seed)  # noqa: NPY002
        try:
            estimator.approximate(budget, game)
        except IndexError as error:  # it found next to nothing, and looks further
            raise ValueError(
                f"`approximator` {name!r} fails on this game of {n} players ({error}); "
                "raise `n_samples`, or enumerate few players with AndInteraction"
            ) from error
        finally:
            np.random.set_state(state)  # noqa: NPY002
        return {
            tuple(int(i) for i in members): float(np.real(value))
            for members, value in estimator.found.items()
        }

    return estimate
