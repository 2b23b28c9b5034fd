"""Batches of token rows through a local language model, with a cache or without."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from inspect import signature
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from captum_interactions._checks import bad_type, bad_value
from captum_interactions.games._kv_store import (
    KVStore,
    cached_layers,
    dynamic_cache,
)
from captum_interactions.games._model_traits import (
    PASS_ON,
    ROWS_ON,
    TOKENS_ON,
    body_of,
    device_of,
    dtype_of,
    first_name,
    has_window,
)

__all__ = [
    "Leaf",
    "LocalModel",
    "read_log_probs",
]


class Leaf(NamedTuple):
    """What is left to evaluate of one row, and the slots of what has been."""

    place: int
    path: tuple[int, ...]
    ids: tuple[int, ...]


def read_log_probs(
    logits: Tensor,  # (B, r, V)
    tokens: Sequence[int],
) -> Tensor:  # (B, r)
    """Return log p of one token a position, without keeping a whole log-softmax."""
    most = logits.shape[-1] - 1
    if max(tokens, default=0) > most:
        remedy = "it is not of this model's vocabulary"
        bad_value("target", f"token ids 0..{most}", max(tokens), remedy)
    logits = logits.float()
    wanted = torch.tensor(tokens, device=logits.device)
    picked = logits.gather(-1, wanted.expand(logits.shape[:2])[..., None])[..., 0]
    return picked - logits.logsumexp(-1)


class LocalModel:
    """A causal language model as a function of rows that end together.

    Rows of a batch are padded at their far left, so that the positions which predict
    the response are the last ones of every row.

    Args:
        model: Takes ``input_ids`` and returns logits, bare or as ``.logits``.
        cache_bytes: What one batch's keys and values may take.

    Attributes:
        n_forwards: Forward passes so far.
        n_tokens: Tokens evaluated so far, padding not counted.
        token_bytes: Bytes of one token's keys and values, once seen.
    """

    def __init__(self, model: nn.Module, cache_bytes: int) -> None:
        if not isinstance(model, nn.Module):
            bad_type("model", "a torch module or a provider", model, "load a model")
        self.model = model
        self.n_forwards = 0
        self.n_tokens = 0
        self.token_bytes = 0
        self._cache_bytes = cache_bytes
        names = signature(model.forward).parameters
        # The argument of the cache was renamed in transformers 5.24, that of the
        # restricted head in 4.50; models without one compute all logits.
        self._cache_name = first_name(names, "cache", "past_key_values")
        self._keep_name = first_name(names, "logits_to_keep", "num_logits_to_keep")
        self._takes = {
            name
            for name in ("attention_mask", "position_ids", "use_cache")
            if name in names
        }
        self.pads = "attention_mask" in self._takes
        # A state (Mamba's) holds a whole beginning, not one slot a token.
        cached = self._cache_name is not None and "use_cache" in self._takes
        self.caches = cached and not getattr(model, "_is_stateful", False)
        self._inner = (
            body_of(model, {str(self._cache_name), *self._takes})
            if self.caches
            else model
        )
        self.windowed = has_window(getattr(model, "config", None))

    @property
    def device(self) -> torch.device:
        """Where token ids go: the device of the first parameter."""
        return device_of(self.model)

    @property
    def dtype(self) -> torch.dtype:
        """The floating dtype of the parameters."""
        return dtype_of(self.model)

    def measured_token_bytes(self) -> int:
        """Return ``token_bytes``, from one token's pass if nothing was cached yet."""
        if not self.token_bytes:
            counts = self.n_forwards, self.n_tokens
            nothing = torch.zeros(1, 0, dtype=torch.bool)
            self._call([[0]], nothing, [], keep=1, want_cache=True, head=False)
            self.n_forwards, self.n_tokens = counts
        return self.token_bytes

    def batches(self, leaves: Sequence[Leaf], extra: int) -> Iterator[list[Leaf]]:
        """Cut leaves into batches of similar length, shortest first.

        Args:
            leaves: What is to be evaluated.
            extra: Tokens that will follow each.
        """
        on_cpu = self.device.type == "cpu"
        tokens, rows = TOKENS_ON[on_cpu], ROWS_ON[on_cpu]
        batch: list[Leaf] = []
        longest_path = total = 0
        for leaf in sorted(leaves, key=lambda leaf: (len(leaf.ids), len(leaf.path))):
            new = len(leaf.ids) + extra
            longest_path = max(longest_path, len(leaf.path))
            columns = (longest_path + new) * self.token_bytes
            # A sliding window counts columns: a batch of rows with unequally many new
            # tokens has a hole between path and new tokens, and is wrong by whole nats.
            uneven = batch and len(batch[0].ids) != len(leaf.ids)
            if batch and (
                len(batch) >= rows
                or (len(batch) + 1) * new > tokens
                or len(batch) * len(leaf.ids) - total > PASS_ON[on_cpu]
                or (len(batch) + 1) * columns > self._cache_bytes
                or (uneven and ((self.windowed and longest_path) or not self.pads))
            ):
                yield batch
                batch, longest_path, total = [], len(leaf.path), 0
            batch.append(leaf)
            total += len(leaf.ids)
        if batch:
            yield batch

    def log_probs(
        self,
        batch: Sequence[Leaf],
        responses: Sequence[Sequence[int]],
        store: KVStore | None = None,
    ) -> Tensor:  # (B, Σ r)
        """Return log p of every token of every response after each row of a batch."""
        first = list(responses[0])
        others = [list(r) for r in responses[1:]]
        continued = store is not None and any(len(r) > 1 for r in others)
        rows = [[*leaf.ids, *first[:-1]] for leaf in batch]
        paths = [leaf.path for leaf in batch]
        logits, layers, mask = self._forward(
            rows, paths, store, keep=len(first), want_cache=continued
        )
        parts = [read_log_probs(logits, first)]
        for response in others:
            if len(response) == 1:
                parts.append(read_log_probs(logits[:, :1], response))
            elif continued:
                end = mask.shape[1] - (len(first) - 1)
                past = [
                    (keys[:, :, :end], values[:, :, :end]) for keys, values in layers
                ]
                rest, _, _ = self._call(
                    [response[:-1]] * len(batch),
                    mask[:, :end],
                    past,
                    keep=len(response) - 1,
                )
                parts.append(read_log_probs(logits[:, :1], response[:1]))
                parts.append(read_log_probs(rest, response[1:]))
            else:
                again, _, _ = self._forward(
                    [[*leaf.ids, *response[:-1]] for leaf in batch],
                    paths,
                    store,
                    keep=len(response),
                )
                parts.append(read_log_probs(again, response))
        return torch.cat(parts, 1).double().cpu()

    def extend(
        self, ids: Sequence[int], paths: Sequence[tuple[int, ...]], store: KVStore
    ) -> list[tuple[int, ...]]:
        """Evaluate the same tokens behind several paths, and store them.

        Returns:
            The longer paths.
        """
        longer = []
        for batch in self.batches(
            [Leaf(k, p, tuple(ids)) for k, p in enumerate(paths)], 0
        ):
            _, layers, _ = self._forward(
                [list(ids)] * len(batch),
                [leaf.path for leaf in batch],
                store,
                keep=1,
                want_cache=True,
                head=False,
            )
            start = store.top
            store.append(layers, ids, len(batch))
            for k, leaf in enumerate(batch):
                begin = start + k * len(ids)
                slots = tuple(range(begin, begin + len(ids)))
                longer.append((leaf.place, leaf.path + slots))
        return [path for _, path in sorted(longer)]

    def _forward(
        self,
        rows: list[list[int]],
        paths: Sequence[tuple[int, ...]],
        store: KVStore | None,
        keep: int,
        want_cache: bool = False,
        head: bool = True,
    ) -> tuple[Tensor, list[tuple[Tensor, Tensor]], Tensor]:
        past: list[tuple[Tensor, Tensor]] = []
        longest = max(map(len, paths))
        if store is not None and longest:
            slots = torch.tensor(
                [(0,) * (longest - len(path)) + path for path in paths],
                device=self.device,
            )
            past = store.gather(slots)
        lengths = torch.tensor([[len(path)] for path in paths])
        real = torch.arange(longest)[None] >= longest - lengths
        return self._call(rows, real, past, keep, want_cache=want_cache, head=head)

    def _call(
        self,
        rows: list[list[int]],
        real_past: Tensor,
        past: list[tuple[Tensor, Tensor]],
        keep: int,
        want_cache: bool = False,
        head: bool = True,
    ) -> tuple[Tensor, list[tuple[Tensor, Tensor]], Tensor]:
        """One forward pass.

        Args:
            rows: New token ids of each row.
            real_past: Which columns of ``past`` are tokens of each row, ``(B, P)``.
            past: Keys and values of each layer, or nothing.
            keep: How many last positions need logits.
            want_cache: Return the keys and values.
            head: Whether logits are wanted at all.

        Returns:
            Logits of the last positions, keys and values, and the mask of all columns.
        """
        width = max(map(len, rows))
        ids = torch.tensor([[0] * (width - len(row)) + row for row in rows])
        place = torch.arange(width)[None] - torch.tensor(
            [[width - len(row)] for row in rows]
        )
        mask = torch.cat([real_past, place >= 0], 1)
        kwargs: dict[str, Any] = {}
        device = self.device
        if "attention_mask" in self._takes:
            kwargs["attention_mask"] = mask.long().to(device)
        if "position_ids" in self._takes:
            positions = (place + real_past.sum(1, keepdim=True)).clamp(min=0)
            kwargs["position_ids"] = positions.to(device)
        if "use_cache" in self._takes:
            kwargs["use_cache"] = want_cache or bool(past)
        if past or want_cache:
            kwargs[str(self._cache_name)] = dynamic_cache(past)
        module = self.model if head else self._inner
        if self._keep_name is not None and module is self.model:
            kwargs[self._keep_name] = keep
        self.n_forwards += 1
        self.n_tokens += sum(map(len, rows))
        with torch.no_grad():
            output = module(input_ids=ids.to(device), **kwargs)
        layers = cached_layers(output) if want_cache else []
        if layers:
            self.token_bytes = sum(
                t.shape[1] * t.shape[3] * t.element_size() for kv in layers for t in kv
            )
        logits = getattr(output, "logits", output)
        if not isinstance(logits, Tensor):
            return torch.empty(0), layers, mask
        return logits[:, -keep:], layers, mask
