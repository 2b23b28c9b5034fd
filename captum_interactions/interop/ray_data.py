"""Explanations as a step of Ray Data, Spark or any engine that maps numpy batches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from captum_interactions._checks import bad_type, bad_value
from captum_interactions._signature import checked_methods
from captum_interactions.games.evaluation import digest, evaluation

__all__ = ["ExplainBatches"]


@checked_methods
class ExplainBatches:
    """Explains batches of numpy arrays; a class for ``ray.data.Dataset.map_batches``.

    The method is made once per worker, by the worker. Examples are explained one by
    one, each with a seed of its own, in blocks of fixed size: what an example gets
    depends neither on its batch nor on the number of workers.

    Args:
        make_method: Makes the method, model and all; called once, in the worker.
        inputs: The column of inputs, ``(batch, *features)``.
        target: The column of targets, if there is one; or an integer for all.
        read: Turns a result of one example into columns, each an array whose first axis
            is that example. By default ``attributions``.
        seed: For methods that draw: each example's generator is seeded by this and the
            example itself. ``None`` for methods that take no generator.
        device: Where inputs are sent.
        **options: Passed to every call of the method.

    Raises:
        TypeError: If ``make_method`` can't be called.
        ValueError: When called, if a column is missing.

    Example:
        >>> from captum_interactions import AndInteraction
        >>> explain = ExplainBatches(lambda: AndInteraction(lambda x: x.prod(1)))
        >>> batch = explain({"inputs": np.ones((2, 3), dtype=np.float32)})
        >>> batch["attributions"].shape
        (2, 3)
    """

    def __init__(
        self,
        make_method: Callable[[], Any],
        *,
        inputs: str = "inputs",
        target: str | int | None = None,
        read: Callable[[Any], dict[str, Any]] | None = None,
        seed: int | None = None,
        device: torch.device | str = "cpu",
        **options: Any,
    ) -> None:
        if not callable(make_method):
            bad_type(
                "make_method",
                "a function that makes the method",
                make_method,
                "pass lambda: AndInteraction(load_model())",
            )
        self._method = make_method()
        self._inputs = inputs
        self._target = target
        self._read = read or _attributions
        self._seed = seed
        self._device = device
        self._options = options

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the batch with the columns that were read."""
        examples = self._column(batch, self._inputs)
        found: dict[str, list[np.ndarray]] = {}
        with evaluation(group=None):
            for index in range(len(examples)):
                for name, values in self._explain(batch, examples, index).items():
                    if isinstance(values, Tensor):
                        values = values.detach().cpu().numpy()
                    found.setdefault(name, []).append(np.asarray(values)[0])
        return {**batch, **{name: np.stack(rows) for name, rows in found.items()}}

    def _explain(
        self, batch: dict[str, np.ndarray], examples: np.ndarray, index: int
    ) -> dict[str, Any]:
        example = torch.tensor(np.asarray(examples[index]), device=self._device)[None]
        target = self._target
        if isinstance(target, str):
            target = int(self._column(batch, target)[index])
        options = dict(self._options)
        if self._seed is not None:
            seed = int(digest(self._seed, example)[:15], 16)
            options["generator"] = torch.Generator().manual_seed(seed)
        return self._read(self._method.interactions(example, target=target, **options))

    def _column(self, batch: dict[str, np.ndarray], name: str) -> np.ndarray:
        if name not in batch:
            bad_value(
                "inputs, target",
                "columns of the data set",
                f"{name!r}, where there are {sorted(batch)}",
                "name the columns",
            )
        return batch[name]


def _attributions(result: Any) -> dict[str, Any]:
    return {"attributions": result.attributions()}
