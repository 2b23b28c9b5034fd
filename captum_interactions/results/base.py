"""What every interaction result is: readings, pictures, examples, a table, a file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_type_hints

import torch
from torch import Tensor

from captum_interactions._checks import bad_type, bad_value, check_positive_int
from captum_interactions._signature import checked, checked_methods
from captum_interactions.estimators import Estimate
from captum_interactions.players import Players
from captum_interactions.results._core import (
    Interaction,
    Listing,
    ResultCore,
    ResultInfo,
)
from captum_interactions.results._frame import data_frame, listed_rows
from captum_interactions.results._joining import check_examples, joined, mapped, same
from captum_interactions.results._pages import Pages
from captum_interactions.results._pictures import Pictures
from captum_interactions.results._storage import read_npz, with_suffix, write_npz

if TYPE_CHECKING:
    import pandas

__all__ = ["Interaction", "InteractionResult", "ResultInfo", "load"]

R = TypeVar("R", bound="InteractionResult")


@checked_methods
@dataclass(frozen=True, eq=False, repr=False)
class InteractionResult(Pages, Pictures, ResultCore):
    """Result of an attribution class; tensors are on the inputs' device.

    Values are kept as they were accumulated (float64 where the device has it) and
    returned in the model's floating dtype.

    A result is a sequence of its examples: ``len(result)``, ``result[i]`` (a result of
    one example), ``result[2:5]``, ``for one in result``; :meth:`cat` joins results.

    Attributes:
        info: Players, evaluations and what else all results share.

    Example:
        >>> from captum_interactions import AndInteraction
        >>> result = AndInteraction(lambda x: x.prod(1)).interactions(torch.ones(3, 2))
        >>> len(result), len(result[1:]), result[0] == result[2]
        (3, 2, True)
        >>> len(result.cat([result, result[0]]))
        4
    """

    def __len__(self) -> int:
        """The number of examples."""
        return len(self.info.v_full)

    def __getitem__(self: R, index: int | slice | Sequence[int] | Tensor) -> R:
        """Some of the examples.

        Args:
            index: An example (negative ones count from the end), a slice, or the
                indices of several.

        Returns:
            A result of those examples; of one example for an integer.

        Raises:
            IndexError: If there is no such example.
            TypeError: If it is anything else.
        """
        rows = _rows(index, len(self))
        return mapped(
            self,
            lambda tensor, axis: (
                tensor
                if axis is None
                else tensor.index_select(axis, rows.to(tensor.device))
            ),
        )

    def __iter__(self: R) -> Iterator[R]:
        """Walk through the examples, each a result of its own."""
        return (self[i] for i in range(len(self)))

    def __eq__(self, other: object) -> bool:
        """Whether two results hold the same to the bit, on whatever devices."""
        if not isinstance(other, InteractionResult):
            return NotImplemented
        return same(self, other)

    def __hash__(self) -> int:
        return hash((type(self), self.info.v_full.shape, self.info.players.names))

    @classmethod
    def cat(cls: type[R], results: Iterable[R]) -> R:
        """Join results of several batches, or of several processes.

        Args:
            results: At least one result; all of one class, with the same players,
                outputs and options.

        Returns:
            One result with all their examples, in that order, on the device of the
            first. Its ``n_evaluations`` is the largest of theirs.

        Raises:
            ValueError: If there is none, or they differ in more than their examples.
            TypeError: If one is no result of this class.
        """
        parts = list(results)
        if not parts:
            bad_value("results", "at least one result", "none", "pass some")
        for part in parts:
            if not isinstance(part, cls):
                bad_type("results", f"of {cls.__name__}", part, "join like with like")
        found: R = joined(parts, [len(part) for part in parts])
        return found

    def to(self: R, device: torch.device | str) -> R:
        """Return the same result with its tensors on another device.

        Args:
            device: Where they go.
        """
        return mapped(self, lambda tensor, axis: tensor.to(device))

    def to_dataframe(self, k: int | None = None) -> pandas.DataFrame:
        """Return a table with one row per example, output and interaction.

        Args:
            k: Only so many rows of each example and output, those with the largest
                |value|; ``None`` for all of them.

        Returns:
            A ``pandas.DataFrame`` with the columns ``example``, ``output`` (an index, a
            tuple of them, or 0 if there is one), ``kind`` (``"and"`` or ``"or"``),
            ``players`` (indices), ``names``, ``size``, ``value``, ``std_error`` (0 if
            exact) and ``noise`` (what noise of v leaves in the value; NaN if unknown).
            Results by order have a column ``order`` as well.

        Raises:
            ValueError: If k is not positive.
            ModuleNotFoundError: If pandas is not installed.
        """
        if k is not None:
            check_positive_int("k", k, "None gives all rows")
        return data_frame(self._rows(k))

    def _rows(self, k: int | None) -> Iterable[dict[str, Any]]:
        """The rows of the table."""
        for extra, listing in self._tables():
            if listing.noise is None:
                listing = listing._replace(noise=self._noise_of(listing))
            yield from listed_rows(listing, self.players.names, k, extra)

    def _tables(self) -> Iterable[tuple[dict[str, Any], Listing]]:
        """What the table lists: columns that all rows share, and the rows."""
        return [({}, self._listing())]

    def _noise_of(self, listing: Listing) -> Tensor:
        """What noise of v leaves in each interaction, shaped as their values."""
        floor, lead = self._rounding(), self.info.v_full.dim()
        if floor.dim() > lead:  # by size
            count = listing.values.shape[-1]
            sizes = [len(listing.players(position)) for position in range(count)]
            return floor[..., sizes]
        return floor.unsqueeze(-1).expand_as(listing.values)

    def save(self, path: str | Path) -> Path:
        """Write the result as a numpy archive of plain arrays, without pickle.

        An old file is replaced at once when the new one is complete.

        Args:
            path: File to write; ``.npz`` is added unless it is there.

        Returns:
            The path of the file.
        """
        target = with_suffix(path)
        write_npz(self, target)
        return target

    @classmethod
    def load(cls: type[R], path: str | Path, device: torch.device | str = "cpu") -> R:
        """Read a result of this class that :meth:`save` wrote.

        :func:`captum_interactions.load` reads one of any class.

        Args:
            path: File to read.
            device: Where its tensors go.

        Raises:
            ValueError: If the file holds something else, or is damaged.
        """
        found = load(path, device)
        if not isinstance(found, cls):
            bad_value(
                "path",
                f"a file with a saved {cls.__name__}",
                f"one with a {type(found).__name__}",
                f"call {type(found).__name__}.load, or captum_interactions.load",
            )
        return found


@checked
def load(path: str | Path, device: torch.device | str = "cpu") -> InteractionResult:
    """Read a result of any class that its ``save`` wrote.

    Nothing in the file is executed. A file that is damaged, or that says more than it
    holds, is refused.

    Args:
        path: File to read, with or without its ``.npz``.
        device: Where its tensors go.

    Returns:
        The result.

    Raises:
        ValueError: If ``save`` did not write the file as it is.
        FileNotFoundError: If there is no such file.

    Example:
        >>> import tempfile, captum_interactions as ci
        >>> method = ci.AndInteraction(lambda x: x.prod(1))
        >>> result = method.interactions(torch.ones(1, 2))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     found = ci.load(result.save(f"{folder}/explanation"))
        >>> found == result
        True
    """
    found = read_npz(path, _parts())
    if not isinstance(found, InteractionResult):
        bad_value("path", "a file with a result", type(found).__name__, "save a result")
    check_examples(found)
    return found.to(device)


def _parts() -> Iterator[type]:
    """Every dataclass that a file may hold: results, and what they are made of."""
    yield from (ResultInfo, Players)
    waiting: list[type] = [InteractionResult, Estimate]
    while waiting:
        cls = waiting.pop()
        waiting += cls.__subclasses__()
        if is_dataclass(cls):
            yield cls
            held = get_type_hints(cls).values()
            waiting += [p for p in held if isinstance(p, type) and is_dataclass(p)]


def _rows(index: Any, length: int) -> Tensor:
    """The examples that an index asks for."""
    if isinstance(index, bool):
        bad_type("index", "an integer, a slice or indices", index, "count from 0")
    if isinstance(index, int):
        if not -length <= index < length:
            raise IndexError(
                f"`index` must be in {-length}..{length - 1}, got {index}; there are "
                f"{length} examples"
            )
        return torch.tensor([index % length])
    rows = torch.arange(length)
    if isinstance(index, slice):
        return rows[index]
    if isinstance(index, Tensor | list | tuple):
        chosen = torch.as_tensor(index).cpu()
        if chosen.dim() == 1 and not chosen.is_floating_point():
            return rows[chosen if chosen.dtype == torch.bool else chosen.long()]
    return bad_type("index", "an integer, a slice or indices", index, "count from 0")
