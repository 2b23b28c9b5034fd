"""Examples of results: which axis they are on, taking some, joining, comparing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any, NoReturn, TypeVar

import torch
from torch import Tensor

from captum_interactions._checks import bad_value
from captum_interactions.players import Players

__all__ = ["check_examples", "joined", "mapped", "same"]

T = TypeVar("T")


def _axis(field: Any) -> int | None:
    """The axis of a field's examples: the first, unless its metadata says otherwise."""
    axis: int | None = field.metadata.get("examples", 0)
    return axis


def mapped(
    value: T, change: Callable[[Tensor, int | None], Tensor], axis: int | None = 0
) -> T:
    """Return the same with every tensor changed, each with the axis of its examples."""
    found: Any = value
    if isinstance(value, Tensor):
        found = change(value, axis)
    elif isinstance(value, tuple):
        items = [mapped(item, change, axis) for item in value]
        named = hasattr(value, "_fields")
        found = type(value)(*items) if named else tuple(items)
    elif isinstance(value, Players):
        # One mask for all examples has a first axis of 1.
        masks = [
            change(mask, 0 if len(mask) > 1 else None) if mask.dim() else mask
            for mask in value.masks
        ]
        found = replace(value, masks=tuple(masks))
    elif is_dataclass(value) and not isinstance(value, type):
        found = replace(
            value,
            **{
                field.name: mapped(getattr(value, field.name), change, _axis(field))
                for field in fields(value)
            },
        )
    return found


def joined(values: Sequence[Any], batches: Sequence[int], name: str = "results") -> Any:
    """Join the same part of several results along their examples."""
    return _joined(values, batches, name, 0)


def _joined(
    values: Sequence[Any], batches: Sequence[int], name: str, axis: int | None
) -> Any:
    first = values[0]
    if any(type(value) is not type(first) for value in values):
        _differ(name, [type(value).__name__ for value in values])
    if isinstance(first, Tensor):
        return _joined_tensors(values, name, axis)
    if isinstance(first, Players):
        return _joined_players(values, batches)
    if isinstance(first, tuple) and any(isinstance(item, Tensor) for item in first):
        items = zip(*values, strict=True)
        return tuple(_joined(item, batches, name, axis) for item in items)
    if is_dataclass(first) and not isinstance(first, type):
        parts = {
            field.name: _joined(
                [getattr(value, field.name) for value in values],
                batches,
                field.name,
                _axis(field),
            )
            for field in fields(first)
            if field.name != "n_evaluations"
        }
        if hasattr(first, "n_evaluations") and "n_evaluations" in {
            field.name for field in fields(first)
        }:
            parts["n_evaluations"] = max(value.n_evaluations for value in values)
        return type(first)(**parts)
    if any(value != first for value in values):
        _differ(name, list(values))
    return first


def _joined_tensors(values: Sequence[Tensor], name: str, axis: int | None) -> Tensor:
    first = values[0]
    if axis is None:
        if not all(same(value, first) for value in values):
            _differ(name, [tuple(value.shape) for value in values])
        return first
    shapes = [(*v.shape[:axis], *v.shape[axis + 1 :]) for v in values]
    if any(shape != shapes[0] for shape in shapes):
        _differ(name, [tuple(value.shape) for value in values])
    return torch.cat([value.to(first.device) for value in values], dim=axis)


def _joined_players(values: Sequence[Players], batches: Sequence[int]) -> Players:
    first = values[0]
    if any((v.ids, v.names) != (first.ids, first.names) for v in values):
        _differ("players", [value.names for value in values])
    masks = []
    for parts in zip(*(value.masks for value in values), strict=True):
        if all(len(p) == 1 and same(p, parts[0]) for p in parts):
            masks.append(parts[0])
            continue
        rows = [
            part.expand(batch, *part.shape[1:])
            for part, batch in zip(parts, batches, strict=True)
        ]
        masks.append(_joined_tensors(rows, "feature_mask", 0))
    return replace(first, masks=tuple(masks))


def _differ(name: str, received: object) -> None:
    bad_value(
        "results",
        f"alike in all but their examples, also in `{name}`",
        received,
        "join results of one method, with the same players and options",
    )


def same(a: Any, b: Any) -> bool:
    """Whether two values are equal to the bit (NaN to NaN), wherever tensors lie."""
    if type(a) is not type(b):
        return False
    if isinstance(a, Tensor):
        if a.shape != b.shape or a.dtype != b.dtype:
            return False
        a, b = a.detach().cpu(), b.detach().cpu()
        equal: Tensor = (a == b) | ((a != a) & (b != b))
        return bool(equal.all())
    if isinstance(a, tuple | list):
        return len(a) == len(b) and all(map(same, a, b))
    if is_dataclass(a):
        return all(same(getattr(a, f.name), getattr(b, f.name)) for f in fields(a))
    return bool(a == b) or (a != a and b != b)


def check_examples(result: Any) -> None:
    """Refuse tensors that don't hold the examples that v(N) has.

    Raises:
        ValueError: If a tensor has another number of examples or outputs.
    """
    lead = tuple(result.info.v_full.shape)

    def refuse(received: str) -> NoReturn:
        remedy = "save the result again"
        bad_value("path", "a file that `save` wrote", f"one with {received}", remedy)

    def check(tensor: Tensor, axis: int | None) -> Tensor:
        if axis is not None and tuple(tensor.shape[axis : axis + len(lead)]) != lead:
            refuse(
                f"tensors of shape {tuple(tensor.shape)} for {lead} examples, outputs"
            )
        return tensor

    players: Players = result.info.players
    for mask in players.masks:
        if mask.dtype != torch.int64 or len(mask) not in (1, lead[0]):
            refuse(f"players of shape {tuple(mask.shape)} {mask.dtype}")
        if mask.numel() and not 0 <= int(mask.min()) <= int(mask.max()) < len(players):
            refuse(f"elements of players beyond {len(players)}")
    estimate = getattr(result, "estimate", None)
    known = len(players) if estimate is None else estimate.n_players
    if not len(players.ids) == len(players.names) == known:
        refuse(f"{len(players.names)} names and values of {known} players")
    bare = replace(result.info, players=replace(players, masks=()))
    mapped(replace(result, info=bare), check)
