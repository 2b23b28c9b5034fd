"""Captum attributions in the form that Quantus evaluates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from captum_interactions._checks import bad_type, bad_value
from captum_interactions._signature import checked

__all__ = ["ExplainFunc", "quantus_explain_func"]


class ExplainFunc(Protocol):
    """What Quantus takes as ``explain_func``."""

    def __call__(
        self, model: nn.Module, inputs: np.ndarray, targets: np.ndarray, **kwargs: Any
    ) -> np.ndarray:
        """Return attributions shaped like ``inputs``."""


@checked
def quantus_explain_func(
    method: Callable[[nn.Module], Any],
    arguments: Mapping[str, Any] | None = None,
) -> ExplainFunc:
    """An attribution of ours or Captum's as Quantus's ``explain_func``.

    Quantus calls ``explain_func(model, inputs, targets, **explain_func_kwargs)`` with
    numpy arrays, again and again, on perturbed inputs and on models with other weights;
    so the method is made anew for the model of each call. Inputs become tensors of the
    model's dtype (integers stay integers) on its device.

    Args:
        method: The class of an attribution (``AndInteraction``,
            ``IntegratedGradients``), or a function that makes one from a model:
            ``lambda model: AndInteraction(log_odds(model))``.
        arguments: Arguments of its ``attribute`` besides ``inputs`` and ``target``,
            such as a ``feature_mask``. Those of Quantus's ``explain_func_kwargs`` win
            over them; its ``device`` says where the inputs go.

    Returns:
        A function that returns attributions shaped like the inputs.

    Raises:
        TypeError: If ``method`` is an attribution that has its model already.
        ValueError: On a call, if the attributions are not one array that begins with
            the batch.

    References:
        Hedström et al., "Quantus" (JMLR 2023).

    Example:
        >>> from captum_interactions import AndInteraction
        >>> explain = quantus_explain_func(AndInteraction)
        >>> x = np.array([[2.0, 3.0, 5.0], [1.0, 1.0, 1.0]])
        >>> explain(nn.Linear(3, 2), inputs=x, targets=np.array([0, 1])).shape
        (2, 3)
    """
    if not callable(method):
        bad_type(
            "method",
            "an attribution class, or a function from a model to an attribution",
            method,
            "Quantus brings the model, so pass the class itself",
        )
    fixed = dict(arguments or {})

    def explain(
        model: nn.Module, inputs: np.ndarray, targets: np.ndarray, **kwargs: Any
    ) -> np.ndarray:
        given = {**fixed, **kwargs}
        device = given.pop("device", None)
        rows = _like_parameters(torch.as_tensor(inputs), model, device)
        target = torch.as_tensor(targets, device=rows.device).reshape(-1).long()
        found = method(model).attribute(rows, target=target, **given)
        if not isinstance(found, Tensor) or len(found) != len(rows):
            received = (
                f"shape {tuple(found.shape)}"
                if isinstance(found, Tensor)
                else type(found).__name__
            )
            bad_value(
                "method",
                f"an attribution that returns one tensor of {len(rows)} examples",
                received,
                "wrap it so that its `attribute` does",
            )
        attributions: np.ndarray = found.detach().cpu().numpy()
        return attributions

    return explain


def _like_parameters(inputs: Tensor, model: nn.Module, device: Any) -> Tensor:
    """Move inputs where the model is, floating ones to its floating dtype."""
    floating = next((p for p in model.parameters() if p.is_floating_point()), None)
    dtype = torch.get_default_dtype() if floating is None else floating.dtype
    if device is None and floating is not None:
        device = floating.device
    return inputs.to(device, dtype if inputs.is_floating_point() else inputs.dtype)
