"""Several baselines on the same examples, side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from captum_interactions._checks import bad_type, bad_value
from captum_interactions._signature import checked, checked_methods
from captum_interactions.baselines.examples import InputStatistics, open_examples
from captum_interactions.functional import moebius, shapley_strength
from captum_interactions.games import BaselineSet, ModelGame
from captum_interactions.games.arguments import format_inputs
from captum_interactions.games.masking import format_baselines

__all__ = ["BaselineComparison", "compare_baselines"]


@checked_methods
@dataclass(frozen=True, eq=False)
class BaselineComparison:
    """What games with different baselines look like, on the same examples.

    The first axis of every tensor is the baseline, in the order of ``names``.

    Attributes:
        names: Names of the baselines.
        order_profile: Mean over examples, outputs and players of |φ^(m)(i)| for context
            sizes m = 0..n−1, ``(k, n)``, in the units of the value function.
        n_salient: AND interactions S ≠ ∅ with |I(S)| above the threshold's part of the
            largest, ``(k, batch, *outputs)`` int64.
        salient_mass: Σ |I(S)| over the salient ones, ``(k, batch, *outputs)``.
        mass: Σ |I(S)| over all S ≠ ∅, ``(k, batch, *outputs)``.
        outside_range: Mean distance of the baselines' elements to the range of the
            data, ``(k,)``, in standard deviations of each element; 0 inside.
    """

    names: tuple[str, ...]
    order_profile: Tensor = field(repr=False)
    n_salient: Tensor = field(repr=False)
    salient_mass: Tensor = field(repr=False)
    mass: Tensor = field(repr=False)
    outside_range: Tensor = field(repr=False)

    def __repr__(self) -> str:
        width = max(map(len, self.names))
        n = self.order_profile.shape[1]
        lines = [
            f"{'':{width}s}  salient   their mass    all mass  |φ^(0)|  "
            f"|φ^({n - 1})|  outside range"
        ]
        for k, name in enumerate(self.names):
            lines.append(
                f"{name:{width}s}  {self.n_salient[k].double().mean():7.1f}  "
                f"{self.salient_mass[k].mean():11.4g} {self.mass[k].mean():11.4g} "
                f"{self.order_profile[k, 0]:8.3g} {self.order_profile[k, -1]:8.3g} "
                f"{self.outside_range[k]:8.3g}"
            )
        return "\n".join(lines)


@checked
def compare_baselines(
    forward_func: Callable[..., Any],
    inputs: Tensor | tuple[Tensor, ...],
    baselines: Mapping[str, Any],
    target: Any = None,
    additional_forward_args: Any = None,
    feature_mask: Tensor | tuple[Tensor, ...] | None = None,
    *,
    data: Any = None,
    threshold: float = 0.05,
    perturbations_per_eval: int | None = None,
    show_progress: bool = False,
) -> BaselineComparison:
    """Evaluate the same examples with several baselines.

    Args:
        forward_func: Model or callable to explain.
        inputs: Input tensor or tuple of tensors, batch axis first.
        baselines: Baselines by name, each in a form that
            :class:`~captum_interactions.games.ModelGame` takes.
        target: Which output is explained.
        additional_forward_args: Further arguments of the forward function.
        feature_mask: Which input elements form a player.
        data: Examples whose range is meant, as for
            :meth:`~captum_interactions.LearnedBaselineShapley.fit`; ``None`` for the
            inputs.
        threshold: Part of the largest |I(S)| above which an interaction is salient.
        perturbations_per_eval: Coalitions per forward pass; ``None`` finds it.
        show_progress: Show a progress bar for each baseline.

    Returns:
        The figures of every baseline.

    Raises:
        TypeError: As :class:`~captum_interactions.games.ModelGame`.
        ValueError: If there are no baselines or the threshold is not inside (0, 1);
            else as :class:`~captum_interactions.games.ModelGame`.

    Example:
        >>> model = lambda x: x[:, 0] * x[:, 1]
        >>> x = torch.tensor([[2.0, 3.0]])
        >>> compared = compare_baselines(model, x, {"zero": 0.0, "one": 1.0})
        >>> compared.n_salient.tolist()  # {0, 1} alone, against {0}, {1} and {0, 1}
        [[1], [3]]
    """
    if not isinstance(baselines, Mapping):
        bad_type("baselines", "a dict of baselines by name", baselines, "name them")
    if not baselines:
        bad_value("baselines", "at least one baseline", "none", "name the baselines")
    if not 0 < threshold < 1:
        bad_value("threshold", "between 0 and 1", threshold, "try 0.05")
    examples = inputs if data is None else data
    statistics = open_examples(examples, argument="data").statistics()
    shapes = [tensor.shape[1:] for tensor in format_inputs(inputs)]
    if [low.shape[1:] for low in statistics.low] != shapes:
        bad_value("data", f"examples of shapes {shapes}", "others", "pass such inputs")
    game = ModelGame(
        forward_func,
        inputs,
        None,
        target,
        additional_forward_args,
        feature_mask,
        perturbations_per_eval=perturbations_per_eval,
        show_progress=show_progress,
        name="Baselines",
    )
    tables = (game.with_baselines(b).table() for b in baselines.values())
    rows = [_read(table, threshold) for table in tables]
    profile, counts, salient, mass = (
        torch.stack(parts) for parts in zip(*rows, strict=True)
    )
    outside = [_outside(b, inputs, statistics) for b in baselines.values()]
    return BaselineComparison(
        tuple(baselines), profile, counts, salient, mass, torch.stack(outside)
    )


def _read(table: Tensor, threshold: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    strengths = shapley_strength(table)
    n = strengths.shape[-1]
    proper = moebius(table)[..., 1:].abs()
    salient = proper > threshold * proper.amax(-1, keepdim=True)
    return (
        strengths.reshape(-1, n).mean(0) / n,
        salient.sum(-1),
        torch.where(salient, proper, 0.0).sum(-1),
        proper.sum(-1),
    )


def _outside(
    baseline: Any, inputs: Tensor | tuple[Tensor, ...], statistics: InputStatistics
) -> Tensor:
    tensors = format_inputs(inputs)
    samples = baseline.size if isinstance(baseline, BaselineSet) else 1
    gaps = []
    for value, tensor, low, high, std in zip(
        format_baselines(baseline, tensors),
        tensors,
        statistics.low,
        statistics.high,
        statistics.std,
        strict=True,
    ):
        full = value.expand(samples, *tensor.shape).double()
        low, high = low.double(), high.double()
        gap = (low - full).clamp(min=0) + (full - high).clamp(min=0)
        # Elements that never vary have no unit; there the distance counts as it is.
        gaps.append((gap / torch.where(std > 0, std, 1.0)).flatten().cpu())
    return torch.cat(gaps).mean()
