"""A method on a whole data set: batch by batch, resumed, shared among processes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from captum_interactions._captum import progress_bar
from captum_interactions._checks import bad_type, bad_value
from captum_interactions._signature import checked
from captum_interactions.attr._dataset_order import batches_of, order_of
from captum_interactions.games.arguments import format_inputs
from captum_interactions.games.evaluation import (
    Ranks,
    digest,
    fingerprint,
    ranks_in_force,
    working_alone,
)
from captum_interactions.results.base import InteractionResult, load
from captum_interactions.results.dataset import ExplainedDataset, ResultFolder

__all__ = ["explain_dataset"]


class Updated(Protocol):
    """A metric: what is told every result."""

    def update(self, result: Any) -> Any:
        """Take in one result."""


@checked
def explain_dataset(
    method: Any,
    loader: Iterable[Any],
    *,
    arguments: Callable[[Any], dict[str, Any]] | None = None,
    metrics: Sequence[Updated] = (),
    folder: str | os.PathLike[str] | None = None,
    shard: tuple[int, int] | None = None,
    show_progress: bool = False,
    generator: torch.Generator | None = None,
    **options: Any,
) -> ExplainedDataset:
    """Explain a data set batch by batch.

    Under an initialized ``torch.distributed`` the ranks take batches in turn, and all
    return, and feed to their metrics, all results in the loader's order. A ``folder``
    keeps each batch's result in a file instead of in memory: a run that was killed goes
    on at the batch it was in (or, within
    :func:`~captum_interactions.games.evaluation` with a store, in the middle of it).

    Args:
        method: An attribution class of this package, made for a model.
        loader: A ``DataLoader``, or anything that yields batches in the same order in
            every run. Ranks share the order of the first one's sampler.
        arguments: Turns a batch into the arguments of ``method.interactions``. By
            default a tensor is the inputs, a pair is inputs and target, and a dict is
            passed as it is.
        metrics: Objects whose ``update`` is called with every result, in order.
        folder: Where results are kept. It is read again as one by
            :meth:`ExplainedDataset.open`.
        shard: ``(i, k)`` explains batches i, i + k, i + 2k and so on: one of k jobs
            that know nothing of each other and share the folder.
        show_progress: Show a bar of examples, with their rate and the time left.
        generator: For methods that draw. Every batch has one of its own, seeded by
            this one's seed and the batch's number, so that results depend neither on
            what was explained before nor on the number of processes.
        **options: Passed to every call of ``method.interactions``.

    Returns:
        The results, one per batch; those of the shard if there is one and no folder.

    Raises:
        TypeError: If an argument has the wrong type.
        ValueError: If a batch isn't understood, the folder holds the results of another
            method, model or order of the data, or a shard isn't one.

    Example:
        >>> from captum_interactions import AndInteraction
        >>> from torch.utils.data import DataLoader, TensorDataset
        >>> data = TensorDataset(torch.ones(5, 2), torch.zeros(5, dtype=torch.long))
        >>> model = torch.nn.Linear(2, 3).requires_grad_(False)
        >>> loader = DataLoader(data, batch_size=2)
        >>> explained = explain_dataset(AndInteraction(model), loader)

        torch.Size([5, 2])
    """
    _check(method, metrics, shard, generator)
    ranks = ranks_in_force() if shard is None else Ranks()
    first, step = (ranks.rank, ranks.size) if shard is None else shard
    order = ranks.from_first(lambda: order_of(loader, in_shards=shard is not None))
    kept = None
    if folder is not None:
        found = _components(method, options, generator, order)
        kept = ranks.all_do_in_turn(lambda: ResultFolder(folder, found))
    explain = _Explainer(
        method, arguments, options, generator, kept, is_sent=ranks.size > 1
    )
    results: dict[int, Any] = {}
    mine = batches_of(loader, order, first, step)
    total = None if order is None else sum(map(len, order))
    with (
        working_alone(),
        progress_bar(
            show_progress and ranks.rank == 0,
            f"{type(method).__name__}",
            total if shard is None or total is None else -(-total // step),
            unit="example",
        ) as bar,
    ):
        while True:
            # In rounds of one batch per rank: what they found goes to all in order.
            found_now = ranks.all_do(lambda: explain.next_of(mine))
            there = [item for item in found_now if item is not None]
            for number, size, result in there:
                for metric in metrics:
                    metric.update(_loaded(result))
                results[number] = result
                bar.update(size)
            if len(there) < len(found_now):
                break
    if kept is not None:
        return ExplainedDataset.open(kept.path) if shard is None else _part(results)
    return _part(results)


class _Explainer:
    """Explains one batch after the other, or finds what was explained before."""

    def __init__(
        self,
        method: Any,
        arguments: Callable[[Any], dict[str, Any]] | None,
        options: dict[str, Any],
        generator: torch.Generator | None,
        folder: ResultFolder | None,
        is_sent: bool,
    ) -> None:
        self._method = method
        self._arguments = arguments or _usual_arguments
        self._options = options
        self._generator = generator
        self._folder = folder
        self._is_sent = is_sent

    def next_of(
        self, batches: Iterator[tuple[int, Any]]
    ) -> tuple[int, int, Any] | None:
        """Return the next batch's number, its examples and its result, or its file."""
        try:
            number, batch = next(batches)
        except StopIteration:
            return None
        given = self._arguments(batch)
        if not isinstance(given, dict) or "inputs" not in given:
            bad_type("arguments", "a function that returns a dict with inputs", given,
                     "name the arguments of method.interactions")  # fmt: skip
        inputs = given["inputs"]
        size = len(format_inputs(inputs)[0])
        name = digest(given) if self._folder is not None else ""
        if self._folder is not None:
            found = self._folder.find(number, name)
            if found is not None:
                return number, size, found
        result = self._method.interactions(**given, **self._drawn(number))
        if self._folder is not None:
            return number, size, self._folder.keep(number, name, result)
        # Other ranks would put it where it was here: on a device that isn't theirs.
        return number, size, result.to("cpu") if self._is_sent else result

    def _drawn(self, number: int) -> dict[str, Any]:
        if self._generator is None:
            return self._options
        seed = int(digest(self._generator.initial_seed(), number)[:15], 16)
        own = torch.Generator(self._generator.device).manual_seed(seed)
        return {**self._options, "generator": own}


def _check(
    method: Any,
    metrics: Sequence[Any],
    shard: object,
    generator: torch.Generator | None,
) -> None:
    if not callable(getattr(method, "interactions", None)):
        bad_type("method", "an attribution class", method, "pass AndInteraction(model)")
    for metric in metrics:
        if not callable(getattr(metric, "update", None)):
            bad_type("metrics", "objects with update(result)", metric, "see metrics")
    if generator is not None and not isinstance(generator, torch.Generator):
        bad_type("generator", "a torch.Generator", generator, "seed one")
    if shard is None:
        return
    fits = (
        isinstance(shard, tuple)
        and len(shard) == 2
        and all(type(number) is int for number in shard)
        and 0 <= shard[0] < shard[1]
    )
    if not fits:
        bad_value("shard", "(i, k) with 0 <= i < k", shard, "pass (job, jobs)")


def _usual_arguments(batch: Any) -> dict[str, Any]:
    if isinstance(batch, dict):
        return batch
    if isinstance(batch, Tensor):
        return {"inputs": batch}
    if isinstance(batch, (tuple, list)) and len(batch) == 2:
        return {"inputs": batch[0], "target": batch[1]}
    what = f"{len(batch)} things" if isinstance(batch, (tuple, list)) else type(batch)
    return bad_value(
        "loader",
        "one of tensors, pairs (inputs, target) or dicts",
        f"a batch of {what}",
        "say by `arguments` what is what",
    )


def _components(
    method: Any,
    options: dict[str, Any],
    generator: torch.Generator | None,
    order: list[list[int]] | None,
) -> dict[str, str]:
    """Name what all results of the data set depend on."""
    settings = {k: v for k, v in vars(method).items() if k != "forward_func"}
    return {
        "method": type(method).__name__,
        **fingerprint(method.forward_func),
        "settings of the method": digest(settings),
        "options": digest(options),
        "seed": "none" if generator is None else str(generator.initial_seed()),
        "order of the loader": "unknown" if order is None else digest(order),
    }


def _loaded(result: Any) -> InteractionResult:
    return load(result) if isinstance(result, Path) else result


def _part(results: dict[int, Any]) -> ExplainedDataset:
    """Number results through, whichever batches they are of."""
    return ExplainedDataset(dict(enumerate(results[n] for n in sorted(results))))
