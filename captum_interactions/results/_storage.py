"""Results as ``.npz`` files of plain arrays and one JSON header, without pickle."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from captum_interactions._checks import bad_value

__all__ = ["read_npz", "write_npz"]

R = TypeVar("R")
_HEADER = "header"


def write_npz(result: Any, path: str | Path) -> None:
    """Write a dataclass of tensors, numbers, texts, tuples and dataclasses."""
    arrays: dict[str, np.ndarray] = {}
    arrays[_HEADER] = np.array(json.dumps(_pack(result, arrays)))
    with Path(path).open("wb") as file:  # numpy would append ".npz" to a bare path
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


def read_npz(
    cls: type[R],
    path: str | Path,
    device: torch.device | str,
    parts: Sequence[type] = (),
) -> R:
    """Read what :func:`write_npz` wrote for ``cls``.

    Args:
        cls: The class of the result.
        path: The file.
        device: Where tensors go.
        parts: Classes that the result may hold, such as estimates.

    Raises:
        ValueError: If the file holds another class.
    """
    with np.load(path, allow_pickle=False) as file:
        header = json.loads(str(file[_HEADER]))
        if header["class"] != cls.__name__:
            bad_value(
                "path",
                f"a file with a saved {cls.__name__}",
                f"one with a {header['class']}",
                f"call {header['class']}.load",
            )
        loaded: R = _unpack(
            header,
            file,
            torch.device(device),
            {kind.__name__: kind for kind in (cls, *parts)},
        )
        return loaded


def _pack(value: Any, arrays: dict[str, np.ndarray]) -> Any:
    """Turn a value into JSON, moving its tensors to ``arrays``."""
    if is_dataclass(value):
        own = {f.name: _pack(getattr(value, f.name), arrays) for f in fields(value)}
        return {"class": type(value).__name__, "fields": own}
    if isinstance(value, Tensor):
        key = f"tensor{len(arrays)}"
        arrays[key] = value.detach().cpu().numpy()
        return {"array": key}
    if isinstance(value, torch.dtype):
        return {"dtype": str(value).removeprefix("torch.")}
    if isinstance(value, tuple):
        return {"tuple": [_pack(item, arrays) for item in value]}
    return value


def _unpack(
    value: Any, arrays: Any, device: torch.device, known: dict[str, type]
) -> Any:
    if not isinstance(value, dict):
        return value
    if "class" in value:
        kind = known[value["class"]]
        own = value["fields"].items()
        return kind(**{k: _unpack(v, arrays, device, known) for k, v in own})
    if "array" in value:
        return torch.from_numpy(arrays[value["array"]]).to(device)
    if "dtype" in value:
        return getattr(torch, value["dtype"])
    return tuple(_unpack(item, arrays, device, known) for item in value["tuple"])
