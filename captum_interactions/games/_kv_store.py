"""Keys and values of evaluated tokens, and the caches of transformers' releases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

__all__ = ["KVStore", "cached_layers", "dynamic_cache"]


class KVStore:
    """Keys and values of evaluated tokens, one slot a token, of fixed capacity.

    Attributes:
        top: Slots in use; lower it to forget the tokens above.
        tokens: The token id of each slot in use.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.top = 0
        self.tokens: list[int] = []
        self._layers: list[tuple[Tensor, Tensor]] = []

    @property
    def bytes(self) -> int:
        """Bytes of all slots, used or not."""
        return sum(t.numel() * t.element_size() for kv in self._layers for t in kv)

    def append(
        self, layers: Sequence[tuple[Tensor, Tensor]], ids: Sequence[int], rows: int
    ) -> None:
        """Add the last ``len(ids)`` tokens of each of the ``rows`` rows of a cache."""
        new = len(ids)
        if not self._layers:
            self._layers = [
                (_slots(keys, self.capacity), _slots(values, self.capacity))
                for keys, values in layers
            ]
        end = self.top + rows * new
        assert end <= self.capacity
        for stored, layer in zip(self._layers, layers, strict=True):
            for slots, tensor in zip(stored, layer, strict=True):
                slots[:, self.top : end] = (
                    tensor[:, :, -new:].transpose(0, 1).flatten(1, 2)
                )
        self.tokens[self.top :] = list(ids) * rows
        self.top = end

    def gather(self, slots: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Return keys and values of paths ``(B, P)``, ``(B, heads, P, dim)`` each."""
        flat = slots.flatten()
        return [
            tuple(
                stored.index_select(1, flat).unflatten(1, slots.shape).transpose(0, 1)
                for stored in layer
            )
            for layer in self._layers
        ]


def _slots(tensor: Tensor, capacity: int) -> Tensor:
    _, heads, _, size = tensor.shape
    return tensor.new_empty(heads, capacity, size)


def dynamic_cache(past: Sequence[tuple[Tensor, Tensor]]) -> Any:
    """Return transformers' cache; with a config its sliding layers would crop."""
    from transformers import DynamicCache

    cache = DynamicCache()
    for layer, (keys, values) in enumerate(past):
        cache.update(keys, values, layer)
    return cache


def cached_layers(output: Any) -> list[tuple[Tensor, Tensor]]:
    """Keys and values of each layer, ``(B, heads, columns, dim)``, in any release."""
    cache = getattr(output, "cache", None)
    if cache is None:
        cache = output.past_key_values
    if hasattr(cache, "layers"):
        return [(layer.keys, layer.values) for layer in cache.layers]
    if hasattr(cache, "key_cache"):
        return list(zip(cache.key_cache, cache.value_cache, strict=True))
    return [(layer[0], layer[1]) for layer in cache]
