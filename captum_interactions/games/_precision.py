"""How exactly a model computes: its coarsest number format."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from captum_interactions.games._callables import modules_of

__all__ = ["ROUNDING_UNITS", "asked_units", "beyond_rounding", "working_unit"]

# Measured on float32 networks, rounding leaves a standard deviation of 0.3 to 1 unit in
# the last place of max |v|, and errors of up to 4 units.
ROUNDING_UNITS = 4.0

# Kernels for different batch sizes add up in different orders: networks of float32 were
# seen to differ by up to 10 units in the last place of |v|. So much more is let pass
# without a question.
_LET_PASS = 16.0
# In half precision that is much, and of so many units or of so much of |v| it is asked
# whether it depends on what is in the other rows, which rounding never does.
_ASKED_UNITS, _ASKED = 2.0, 2.0**-8

# TensorFloat-32 keeps 10 bits of a fraction.
_TF32_UNIT = 2.0**-10


def working_unit(func: Callable[..., Any], tensors: Iterable[Tensor]) -> float:
    """Relative spacing of the coarsest numbers that a model computes with.

    Looks at the inputs and outputs, at the parameters of all modules that the function
    can be seen to use, at autocast, and on CUDA at whether TensorFloat-32 is allowed.

    Example:
        >>> model = nn.Linear(2, 1).bfloat16()
        >>> working_unit(lambda x: model(x.bfloat16()).float(), [torch.ones(1, 2)])
        0.0078125
    """
    dtypes: set[torch.dtype] = set()
    devices: set[str] = set()
    convolves = False
    for tensor in tensors:
        dtypes.add(tensor.dtype)
        devices.add(tensor.device.type)
    for module in modules_of(func):
        convolves |= isinstance(module, (nn.modules.conv._ConvNd, nn.RNNBase))
        dtypes.update(p.dtype for p in module.parameters(recurse=False))
    units = [torch.finfo(d).eps for d in dtypes if d.is_floating_point]
    units += [torch.finfo(d).eps for d in map(_autocast_dtype, devices) if d]
    if "cuda" in devices and (
        torch.backends.cuda.matmul.allow_tf32
        or (convolves and torch.backends.cudnn.allow_tf32)
    ):
        units.append(_TF32_UNIT)
    return max(units, default=torch.finfo(torch.float32).eps)


def _autocast_dtype(device: str) -> torch.dtype | None:
    """Return what autocast computes with on a device, None where it is off."""
    try:
        on = torch.is_autocast_enabled(device)
        return torch.get_autocast_dtype(device) if on else None
    except (AttributeError, TypeError):  # torch 2.3 asks in other words
        if device == "cpu":
            on, dtype = torch.is_autocast_cpu_enabled(), torch.get_autocast_cpu_dtype()
        else:
            on, dtype = torch.is_autocast_enabled(), torch.get_autocast_gpu_dtype()
        return dtype if on else None
    except RuntimeError:  # a device without autocast
        return None


def asked_units(unit: float) -> float:
    """Return from how many units on a difference is asked about."""
    return max(_ASKED_UNITS, min(_LET_PASS, _ASKED / max(unit, 1e-300)))


def beyond_rounding(
    gap: Tensor,
    values: Tensor,
    unit: float,
    allowed: Tensor | None,
    units: float = _LET_PASS,
) -> bool:
    """Whether a difference is more than rounding; NaN is reported elsewhere."""
    bound = (units * unit) * values.abs()
    return bool((gap > (bound if allowed is None else bound + allowed)).any())
