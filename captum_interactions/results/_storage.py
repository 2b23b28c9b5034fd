"""Results as ``.npz`` files of plain arrays and one JSON header, without pickle.

The archive is not compressed: it can't unpack to more than its own size. The header
says of every array which type and shape it must have, and which class each part is.
"""

from __future__ import annotations

import io
import json
import os
import secrets
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, NoReturn, Union, get_args, get_origin, get_type_hints

import numpy as np
import torch
from torch import Tensor

__all__ = ["BadFileError", "read_npz", "with_suffix", "write_npz"]

_FORMAT, _VERSION = "captum_interactions result", 1
_HEADER = "header"
_SUFFIX = ".npz"
# What a tensor may be, and how numpy holds those it has no type for.
_DTYPES = {
    str(dtype).removeprefix("torch."): dtype
    for dtype in (
        torch.bool,
        torch.uint8,
        torch.int8,
        torch.int16,
        torch.int32,
        torch.int64,
        torch.float16,
        torch.bfloat16,
        torch.float32,
        torch.float64,
        torch.complex64,
        torch.complex128,
    )
}
# Integers (players of input elements above all) are written as the smallest that fits.
_SMALLEST = (np.uint8, np.int8, np.int16, np.int32, np.int64)


class BadFileError(ValueError):
    """A file that :meth:`~InteractionResult.save` did not write as it is."""


def with_suffix(path: str | Path) -> Path:
    """Return the path with ``.npz`` at its end."""
    path = Path(path)
    return path if path.suffix == _SUFFIX else path.with_name(path.name + _SUFFIX)


def write_npz(result: Any, path: Path) -> None:
    """Write a dataclass of tensors, numbers, texts, tuples and dataclasses.

    The file is complete or not there at all: it is written beside the old one, flushed
    to the disk and then renamed.
    """
    arrays: dict[str, np.ndarray] = {}
    root = _pack(result, arrays)
    header = {"format": _FORMAT, "version": _VERSION, "root": root}
    # As bytes: numpy's own texts end at the first NUL.
    arrays[_HEADER] = np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)
    path = path.resolve()  # a link stays one
    beside = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}")
    try:
        with beside.open("xb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def read_npz(path: str | Path, classes: Iterable[type]) -> Any:
    """Read what :func:`write_npz` wrote.

    Args:
        path: The file, with or without its suffix.
        classes: The dataclasses that may be in it.

    Returns:
        What was written, on the CPU.

    Raises:
        BadFileError: If anything is not as it was written.
        FileNotFoundError: If there is no such file.
    """
    path = Path(path)
    if not path.exists() and with_suffix(path).exists():
        path = with_suffix(path)
    known = {cls.__name__: cls for cls in classes}
    with path.open("rb") as file:
        try:
            with zipfile.ZipFile(file) as archive:
                _check_archive(archive)
                header = json.loads(_array(archive, _HEADER).tobytes())
                _check_header(header)
                return _Reader(archive, known).read(header["root"])
        except BadFileError as error:
            _refuse(path, str(error), error)
        except Exception as error:  # whatever else the bytes make of the readers
            reason = f"a damaged one ({type(error).__name__}: {str(error)[:80]})"
            _refuse(path, reason, error)


def _refuse(path: Path, reason: str, error: BaseException) -> NoReturn:
    raise BadFileError(
        f"`path` must be a file that `save` wrote, got {reason}: {path}; save the "
        "result again"
    ) from error


def _check_archive(archive: zipfile.ZipFile) -> None:
    """Refuse what would unpack to more than the file itself."""
    for entry in archive.infolist():
        if entry.compress_type != zipfile.ZIP_STORED:
            raise BadFileError("one that is compressed")
        if entry.file_size != entry.compress_size:
            raise BadFileError("one whose sizes disagree")


def _check_header(header: Any) -> None:
    if not isinstance(header, dict) or header.get("format") != _FORMAT:
        raise BadFileError("one of another kind")
    if header.get("version") != _VERSION:
        raise BadFileError(f"one of version {header.get('version')!r}, not {_VERSION}")


def _array(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    """One array, if it is exactly as long as its own header says."""
    data = io.BytesIO(archive.read(f"{name}.npy"))  # checks its sum
    version = np.lib.format.read_magic(data)
    if version != (1, 0):
        raise BadFileError(f"one with arrays of version {version}")
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(data)
    rest = data.read()
    count = 1
    for size in shape:
        count *= size
    if fortran or dtype.hasobject or count * dtype.itemsize != len(rest):
        raise BadFileError(f"one whose array {name!r} has another length")
    return np.frombuffer(rest, dtype=dtype).reshape(shape)


def _pack(value: Any, arrays: dict[str, np.ndarray]) -> Any:
    """Turn a value into JSON, moving its tensors to ``arrays``."""
    if is_dataclass(value) and not isinstance(value, type):
        packed = {f.name: _pack(getattr(value, f.name), arrays) for f in fields(value)}
        return {"class": type(value).__name__, "fields": packed}
    if isinstance(value, Tensor):
        return _pack_tensor(value, arrays)
    if isinstance(value, torch.dtype):
        return {"dtype": str(value).removeprefix("torch.")}
    if isinstance(value, tuple | list):
        kind = "tuple" if isinstance(value, tuple) else "list"
        return {kind: [_pack(item, arrays) for item in value]}
    if isinstance(value, Mapping):
        return {"dict": [[key, _pack(item, arrays)] for key, item in value.items()]}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(
        f"`result` must be made of tensors, numbers, texts, tuples and dataclasses to "
        f"be saved, got a {type(value).__name__}; leave it out of the result"
    )


def _pack_tensor(value: Tensor, arrays: dict[str, np.ndarray]) -> Any:
    key = f"tensor{len(arrays)}"
    dtype = str(value.dtype).removeprefix("torch.")
    plain = value.detach().cpu().contiguous()
    if value.dtype == torch.bfloat16:
        plain = plain.view(torch.int16)
    array = plain.numpy()
    if value.dtype == torch.int64 and array.size:
        low, high = array.min(), array.max()
        for small in _SMALLEST:
            limits = np.iinfo(small)
            if limits.min <= low and high <= limits.max:
                array = array.astype(small)
                break
    arrays[key] = array
    return {"tensor": key, "dtype": dtype, "shape": list(value.shape)}


class _Reader:
    """Turns JSON and arrays back into values."""

    def __init__(self, archive: zipfile.ZipFile, known: Mapping[str, type]) -> None:
        self.archive, self.known = archive, known

    def read(self, value: Any) -> Any:
        if not isinstance(value, dict):
            if isinstance(value, list):
                raise BadFileError("one with a bare list")
            return value
        if "class" in value:
            return self._instance(value["class"], value["fields"])
        if "tensor" in value:
            return self._tensor(value)
        if "dtype" in value:
            return _DTYPES[value["dtype"]]
        if "dict" in value:
            return {key: self.read(item) for key, item in value["dict"]}
        kind = tuple if "tuple" in value else list
        return kind(map(self.read, value[kind.__name__]))

    def _instance(self, name: str, packed: Mapping[str, Any]) -> Any:
        if name not in self.known:
            raise BadFileError(f"one with a {name!r}, which is no class of results")
        cls = self.known[name]
        hints = get_type_hints(cls)
        names = [field.name for field in fields(cls)]
        if sorted(packed) != sorted(names):
            raise BadFileError(f"one whose {name} has the fields {sorted(packed)}")
        values = {key: self.read(packed[key]) for key in names}
        for key, value in values.items():
            if not _fits(value, hints[key]):
                raise BadFileError(f"one whose {name}.{key} is no {hints[key]}")
        return cls(**values)

    def _tensor(self, packed: Mapping[str, Any]) -> Tensor:
        dtype, shape = _DTYPES[packed["dtype"]], packed["shape"]
        array = _array(self.archive, packed["tensor"])
        if list(array.shape) != shape:
            raise BadFileError(f"one with an array of shape {array.shape}, not {shape}")
        if dtype == torch.int64 and array.dtype.kind in "iu":
            array = array.astype(np.int64)
        tensor = torch.from_numpy(array.copy())
        if dtype == torch.bfloat16 and tensor.dtype == torch.int16:
            tensor = tensor.view(torch.bfloat16)
        if tensor.dtype != dtype:
            raise BadFileError(f"one with an array of {tensor.dtype}, not {dtype}")
        return tensor


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value is of an annotated type, as far as annotations go."""
    origin = get_origin(hint)
    if hint is Any:
        return True
    if origin in (Union, UnionType):
        return any(_fits(value, option) for option in get_args(hint))
    if origin is Literal:
        return value in get_args(hint)
    if origin is tuple:
        inner = get_args(hint)
        if not isinstance(value, tuple):
            return False
        if len(inner) == 2 and inner[1] is Ellipsis:
            return all(_fits(item, inner[0]) for item in value)
        return len(value) == len(inner) and all(map(_fits, value, inner))
    if hint is None or hint is NoneType:
        return value is None
    if hint is float:
        return isinstance(value, float | int) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    plain = origin or hint
    return not isinstance(plain, type) or isinstance(value, plain)
