"""Which examples of a data set come in which order, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch.utils.data import (
    DataLoader,
    DistributedSampler,
    IterableDataset,
    RandomSampler,
)

from captum_interactions._checks import bad_value

__all__ = ["batches_of", "order_of"]


def order_of(loader: Any, in_shards: bool) -> list[list[int]] | None:
    """Return the indices of every batch, if the loader has such a thing."""
    batches = getattr(loader, "batch_sampler", None)
    if not isinstance(loader, DataLoader) or batches is None:
        return None
    if isinstance(loader.dataset, IterableDataset):  # its sampler never ends
        return None
    sampler = getattr(batches, "sampler", None)
    if isinstance(sampler, DistributedSampler):
        bad_value(
            "loader",
            "one of all examples",
            "one with a DistributedSampler, which gives each rank a part",
            "leave the sampler out: the ranks take batches in turn",
        )
    if in_shards and isinstance(sampler, RandomSampler) and sampler.generator is None:
        bad_value(
            "loader",
            "one that gives the same batches in every shard",
            "one that shuffles by an unseeded generator",
            "set shuffle=False or pass it a seeded generator",
        )
    return [list(batch) for batch in batches]


def batches_of(
    loader: Any, order: list[list[int]] | None, first: int, step: int
) -> Iterator[tuple[int, Any]]:
    """Yield every ``step``-th batch with its number, loading no others if it can."""
    if order is None:
        for number, batch in enumerate(loader):
            if number % step == first:
                yield number, batch
        return
    own = order[first::step]
    part = DataLoader(
        loader.dataset,
        batch_sampler=own,
        num_workers=loader.num_workers,
        collate_fn=loader.collate_fn,
        pin_memory=loader.pin_memory,
        timeout=loader.timeout,
        worker_init_fn=loader.worker_init_fn,
        multiprocessing_context=loader.multiprocessing_context,
        generator=loader.generator,
        prefetch_factor=loader.prefetch_factor,
    )
    yield from zip(range(first, len(order), step), part, strict=True)
