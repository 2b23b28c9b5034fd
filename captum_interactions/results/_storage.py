"""Results as ``.npz`` files of plain arrays and one JSON header, without pickle."""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

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
    header = {"class": type(result).__name__, "fields": _pack(result, arrays)}
    arrays[_HEADER] = np.array(json.dumps(header))
    with Path(path).open("wb") as file:  # numpy would append ".npz" to a bare path
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


def read_npz(cls: type[R], path: str | Path, device: torch.device | str) -> R:
    """Read what :func:`write_npz` wrote for ``cls``.

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
        loaded: R = _unpack(cls, header["fields"], file, torch.device(device))
        return loaded


def _pack(value: Any, arrays: dict[str, np.ndarray]) -> Any:
    """Turn a value into JSON, moving its tensors to ``arrays``."""
    if is_dataclass(value):
        return {f.name: _pack(getattr(value, f.name), arrays) for f in fields(value)}
    if isinstance(value, Tensor):
        key = f"tensor{len(arrays)}"
        arrays[key] = value.detach().cpu().numpy()
        return {"array": key}
    if isinstance(value, torch.dtype):
        return {"dtype": str(value).removeprefix("torch.")}
    if isinstance(value, tuple):
        return {"tuple": [_pack(item, arrays) for item in value]}
    return value


def _unpack(kind: Any, value: Any, arrays: Any, device: torch.device) -> Any:
    if is_dataclass(kind) and isinstance(kind, type):
        hints = get_type_hints(kind)
        return kind(
            **{k: _unpack(hints[k], v, arrays, device) for k, v in value.items()}
        )
    if not isinstance(value, dict):
        return value
    if "array" in value:
        return torch.from_numpy(arrays[value["array"]]).to(device)
    if "dtype" in value:
        return getattr(torch, value["dtype"])
    return tuple(_unpack(None, item, arrays, device) for item in value["tuple"])
