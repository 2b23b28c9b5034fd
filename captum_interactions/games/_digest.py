"""What a value depends on, as digests: the model, its code, the data it is given."""

from __future__ import annotations

import dataclasses
import enum
import functools
import hashlib
import sys
import sysconfig
import types
import weakref
from collections.abc import Callable, Iterable, Mapping
from pathlib import PurePath
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from captum_interactions.games._tensor_digest import sum_of_words, tensor_bytes_digest

__all__ = ["Fingerprints", "digest", "version_of"]

_LIBRARY = sysconfig.get_paths()["stdlib"]
# What every module carries; how it is called is found elsewhere, and hooks are asked
# for by name, since their keys count all hooks of the process.
_OF_EVERY_MODULE = set(vars(nn.Module())) - {"training"}
_HOOKS = ("_forward_pre_hooks", "_forward_hooks")
_PLAIN = (type(None), bool, int, float, complex, str, bytes, torch.dtype, torch.device)


def digest(*things: Any) -> str:
    """Return 64 hexadecimal digits that name values of almost any kind.

    Equal values have equal digests in every process. Tensors and arrays count by
    dtype, shape and bytes, functions by their code and by what they refer to.

    Example:
        >>> digest(1, "a", torch.zeros(2)) == digest(1, "a", torch.zeros(2))
        True
        >>> digest(torch.zeros(2)) == digest(torch.zeros(1, 2))
        False
    """
    walk = _Walk()
    for thing in things:
        walk.value(thing)
    return walk.settings.hexdigest()


class Fingerprints:
    """Digests of forward functions, with those of large parameters remembered.

    A remembered digest counts as long as the tensor is the same object at the same
    place, torch counted no write to it, and the sum of its words is the same: a write
    through ``.data`` isn't counted.
    """

    def __init__(self) -> None:
        self._known: dict[int, tuple[Any, tuple[int, ...], bytes]] = {}

    def of(
        self, forward_func: Callable[..., Any]
    ) -> tuple[dict[str, str], list[nn.Module]]:
        """Return the digests of a forward function and the modules met on the way.

        Args:
            forward_func: A module, a function, or anything that can be called.

        Returns:
            Digests of its ``parameters``, ``buffers``, ``code`` and ``attributes`` (all
            else that it refers to), and the outermost modules.
        """
        walk = _Walk(self._tensor_digest)
        walk.value(forward_func)
        return {
            "parameters": walk.parameters.hexdigest(),
            "buffers": walk.buffers.hexdigest(),
            "code of the forward": walk.codes.hexdigest(),
            "attributes of the forward": walk.settings.hexdigest(),
        }, walk.modules

    def _tensor_digest(self, tensor: Tensor) -> bytes:
        tensor = _own_part(tensor)
        if tensor.layout != torch.strided or tensor.is_quantized or not tensor.numel():
            return tensor_bytes_digest(tensor)
        state = (tensor.data_ptr(), tensor._version, sum_of_words(tensor))
        known = self._known.get(id(tensor))
        if known is not None and known[0]() is tensor and known[1] == state:
            return known[2]
        found = tensor_bytes_digest(tensor)
        self._known[id(tensor)] = (weakref.ref(tensor), state, found)
        return found


def _own_part(tensor: Tensor) -> Tensor:
    """Return what a rank holds of a tensor that is spread over several."""
    return tensor.to_local() if hasattr(tensor, "to_local") else tensor


class _Walk:
    """Walks through an object and what it refers to, and feeds four digests."""

    def __init__(
        self, tensor_digest: Callable[[Tensor], bytes] = tensor_bytes_digest
    ) -> None:
        self.parameters = hashlib.sha256()
        self.buffers = hashlib.sha256()
        self.codes = hashlib.sha256()
        self.settings = hashlib.sha256()
        self.modules: list[nn.Module] = []
        self._tensor_digest = tensor_digest
        # The objects themselves are kept, or another could get the id of one of them.
        self._seen: dict[int, tuple[int, Any]] = {}
        self._classes: set[type] = set()

    def value(self, thing: Any) -> None:
        """Take in any value."""
        if isinstance(thing, _PLAIN):
            self._say(type(thing).__name__, repr(thing))
            return
        if id(thing) in self._seen:  # again, or a circle
            self._say("again", str(self._seen[id(thing)][0]))
            return
        self._seen[id(thing)] = (len(self._seen), thing)
        if isinstance(thing, Tensor):
            self._say("tensor", self._tensor_digest(thing).hex())
        elif isinstance(thing, np.ndarray):
            kind = f"{thing.dtype} {thing.shape}"
            self._say("array", kind)
            if thing.dtype.hasobject:
                self._items(thing.tolist())
            else:
                self.settings.update(np.ascontiguousarray(thing).data)
        elif isinstance(thing, Mapping):
            self._say("mapping", str(len(thing)))
            for key, item in thing.items():
                self.value(key)
                self.value(item)
        elif isinstance(thing, (list, tuple)):
            self._items(thing)
        elif isinstance(thing, (set, frozenset)):
            self._items(sorted(digest(item) for item in thing))
        elif isinstance(thing, nn.Module):
            self._module(thing)
        else:
            self._object(thing)

    def _say(self, kind: str, text: str) -> None:
        # The length keeps neighbors apart.
        self.settings.update(f"{kind} {len(text)} {text};".encode())

    def _items(self, items: Iterable[Any]) -> None:
        items = list(items)
        self._say("items", str(len(items)))
        for item in items:
            self.value(item)

    def _object(self, thing: Any) -> None:
        if isinstance(thing, functools.partial):
            self._items([thing.func, thing.args, thing.keywords])
        elif isinstance(thing, types.MethodType):
            self._items([thing.__self__, thing.__func__])
        elif isinstance(thing, types.FunctionType):
            self._function(thing)
        elif isinstance(thing, type):
            self._class(thing)
        elif isinstance(thing, (enum.Enum, np.generic, PurePath, slice, range)):
            self._say(type(thing).__name__, repr(thing))
        elif dataclasses.is_dataclass(thing) or (
            callable(thing) and hasattr(thing, "__dict__")
        ):
            self._class(type(thing))
            self.value(dict(vars(thing)) if hasattr(thing, "__dict__") else None)
        else:  # a logger, a file, a tokenizer: nothing that can be named by its bytes
            kind = type(thing)
            name = getattr(thing, "__qualname__", "")
            self._say("thing", f"{kind.__module__}.{kind.__qualname__} {name}")

    def _class(self, kind: type) -> None:
        self._say("class", f"{kind.__module__}.{kind.__qualname__}")
        if kind in self._classes:
            return
        self._classes.add(kind)
        for base in kind.__mro__:
            if _is_library(getattr(sys.modules.get(base.__module__), "__file__", "")):
                version = getattr(
                    sys.modules.get(base.__module__.partition(".")[0]),
                    "__version__",
                    "",
                )
                self._code(f"{base.__module__}.{base.__qualname__} {version}")
                continue
            for name, member in sorted(vars(base).items()):
                inner = getattr(member, "__func__", getattr(member, "fget", member))
                if isinstance(inner, types.FunctionType):
                    self._code(name)
                    self._function(inner)

    def _function(self, function: types.FunctionType) -> None:
        code = function.__code__
        if _is_library(code.co_filename):
            version = getattr(
                sys.modules.get(function.__module__.partition(".")[0]),
                "__version__",
                "",
            )
            self._code(f"{function.__module__}.{function.__qualname__} {version}")
        else:
            names = self._code_object(code)
            here = function.__globals__
            self._items([here[n] for n in names if n in here])
        self._items([function.__defaults__, function.__kwdefaults__])
        for cell in function.__closure__ or ():
            try:
                self.value(cell.cell_contents)
            except ValueError:  # not filled yet
                self._say("cell", "empty")

    def _code_object(self, code: types.CodeType) -> list[str]:
        """Take in bytecode and constants; return the names it refers to."""
        self.codes.update(code.co_code)
        names = list(code.co_names)
        self._code(" ".join([*code.co_names, *code.co_varnames]))
        for constant in code.co_consts:
            if isinstance(constant, types.CodeType):
                names += self._code_object(constant)
            else:
                self._code(repr(constant) if isinstance(constant, _PLAIN) else "")
                if not isinstance(constant, _PLAIN):
                    self._code(digest(constant))
        return sorted(set(names))

    def _code(self, text: str) -> None:
        self.codes.update(f"{len(text)} {text};".encode())

    def _module(self, module: nn.Module) -> None:
        module = getattr(module, "_orig_mod", module)  # compiled: the same function
        self.modules.append(module)
        own = dict(module.named_parameters(remove_duplicate=False))
        for name, parameter in sorted(own.items()):
            self.parameters.update(f"{name} ".encode())
            self.parameters.update(self._tensor_digest(parameter))
        state = {k: v for k, v in module.state_dict().items() if k not in own}
        # Buffers that are not saved count as well.
        state |= dict(module.named_buffers(remove_duplicate=False))
        for name, item in sorted(state.items()):
            self.buffers.update(f"{name} ".encode())
            if isinstance(item, Tensor):
                self.buffers.update(self._tensor_digest(item))
            else:
                self.buffers.update(digest(item).encode())
        for name, part in module.named_modules():
            self._say("module", name)
            self._seen.setdefault(id(part), (len(self._seen), part))
            if isinstance(part, torch.jit.ScriptModule):
                self._code(str(part.code))
                self._say("training", str(part.training))
                continue
            self._class(type(part))
            for key, item in vars(part).items():
                if key not in _OF_EVERY_MODULE:
                    self._say("attribute", key)
                    self.value(item)
            for key in _HOOKS:
                self._items(getattr(part, key).values())


def version_of(module: str) -> str:
    """Return the version of the package that a module belongs to."""
    package = sys.modules.get(module.partition(".")[0])
    return str(getattr(package, "__version__", ""))


def _is_library(file: str | None) -> bool:
    """Whether code is somebody's release, which its version names."""
    if file is None or not file or file.startswith("<frozen"):
        return True
    return (
        "site-packages" in file or "dist-packages" in file or file.startswith(_LIBRARY)
    )
