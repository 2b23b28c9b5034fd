"""Columns of a table as players: one-hot groups, and rows of a DataFrame."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy
import torch
from torch import Tensor

from captum_interactions._checks import bad_type, bad_value
from captum_interactions._signature import checked, checked_methods

if TYPE_CHECKING:
    import pandas

__all__ = ["TablePlayers", "column_mask", "table_players"]


@checked
def column_mask(
    columns: Sequence[str],
    categorical: Sequence[str] = (),
    separator: str = "_",
) -> tuple[Tensor, tuple[str, ...]]:
    """Players of an encoded table: the one-hot columns of a variable are one player.

    Args:
        columns: Names of the columns, in the order of the input.
        categorical: Variables that were one-hot encoded. A column belongs to the
            longest of them that it begins with, followed by the separator:
            ``get_dummies`` and ``OneHotEncoder`` name columns like that.
        separator: What stands between variable and category.

    Returns:
        A feature mask ``(columns,)`` int64 and the names of the players, in the order
        in which they first occur.

    Raises:
        ValueError: If a variable has no column.

    Example:
        >>> columns = ["age", "job_nurse", "job_cook", "job_title_length"]
        >>> column_mask(columns, ["job"])
        (tensor([0, 1, 1, 1]), ('age', 'job'))
        >>> column_mask(columns, ["job", "job_title"])
        (tensor([0, 1, 1, 2]), ('age', 'job', 'job_title'))
    """
    longest = sorted(categorical, key=len, reverse=True)

    def variable(column: str) -> str:
        starts = (name for name in longest if column.startswith(name + separator))
        return next(starts, column)

    owners = [variable(str(column)) for column in columns]
    names = tuple(dict.fromkeys(owners))
    missing = [name for name in categorical if name not in names]
    if missing:
        bad_value(
            "categorical",
            "variables that columns begin with",
            f"{', '.join(missing)}, which no column does",
            f"the columns are {', '.join(map(str, columns))[:200]}",
        )
    return torch.tensor([names.index(owner) for owner in owners]), names


@checked_methods
@dataclass(frozen=True, eq=False)
class TablePlayers:
    """What a call needs to play on the columns of a table of any types.

    Attributes:
        inputs: The rows as numbers, ``(rows, columns)`` float64: positions in
            ``categories`` where a column isn't numeric.
        background: The rows of the background in the same code, ``(samples, columns)``;
            ``BaselineSet(background)`` averages over them, a row of it is a baseline.
            ``None`` without background.
        names: One name per player: the columns.
        categories: The values of each column that isn't numeric.
    """

    inputs: Tensor
    background: Tensor | None
    names: tuple[str, ...]
    categories: dict[str, list[Any]] = field(repr=False)
    _types: dict[str, Any] = field(repr=False)

    def frame(self, rows: Tensor) -> pandas.DataFrame:
        """Return coded rows as a DataFrame of the original types.

        Args:
            rows: ``(rows, columns)``, coded as :attr:`inputs`.

        Raises:
            ValueError: If they have other columns, or a code that stands for nothing.
        """
        import pandas

        if rows.dim() != 2 or rows.shape[1] != len(self.names):
            shape = f"shape {tuple(rows.shape)}"
            bad_value("rows", f"of {len(self.names)} columns", shape, "see `inputs`")
        columns = {}
        for name, values in zip(self.names, rows.T.cpu().numpy(), strict=True):
            if name in self.categories:
                known = len(self.categories[name])
                if not ((values >= 0) & (values < known)).all():
                    kinds = f"codes 0..{known - 1} of {name!r}"
                    bad_value("rows", f"made of {kinds}", values, "see `categories`")
                kept = [self.categories[name][int(code)] for code in values]
                columns[name] = pandas.Series(kept, dtype=self._types[name])
            else:
                columns[name] = pandas.Series(values).astype(self._types[name])
        return pandas.DataFrame(columns)

    def forward(self, predict: Callable[[Any], Any]) -> Callable[[Tensor], Tensor]:
        """Return a forward function around a model of DataFrames.

        Args:
            predict: Such as ``pipeline.predict_proba``: takes a DataFrame and returns
                an array with a row for each of its rows.
        """

        def forward_func(rows: Tensor) -> Tensor:
            values = predict(self.frame(rows))
            if not isinstance(values, Tensor):  # copied: pandas lends it read-only
                values = torch.tensor(numpy.asarray(values))
            return values.to(rows.device)

        return forward_func


@checked
def table_players(
    rows: pandas.DataFrame, background: pandas.DataFrame | None = None
) -> TablePlayers:
    """Rows of a DataFrame as inputs; every column is a player and lends it its name.

    Numbers stay numbers. Columns of any other type are coded by their distinct values,
    so that a model of DataFrames gets back what it was trained on.

    Args:
        rows: The rows to explain.
        background: Rows that absent columns are taken from.

    Returns:
        Inputs, background, names, and the way back to a DataFrame.

    Raises:
        TypeError: If the rows are no DataFrame.
        ValueError: If there are no rows, column names repeat, a number is missing, or
            the background has other columns.

    Example:
        >>> import pandas
        >>> rows = pandas.DataFrame({"job": ["cook"], "age": [50]})
        >>> others = pandas.DataFrame({"job": ["nurse"], "age": [30]})
        >>> players = table_players(rows, others)
        >>> players.inputs.tolist(), players.background.tolist(), players.names
        ([[0.0, 50.0]], [[1.0, 30.0]], ('job', 'age'))
        >>> players.frame(players.background).to_dict("records")
        [{'job': 'nurse', 'age': 30}]
    """
    for name, frame in ("rows", rows), ("background", background):
        missing = frame is None and name == "background"
        if not missing and not hasattr(frame, "dtypes"):
            bad_type(name, "a DataFrame", frame, "or code the table yourself")
    if len(rows) == 0 or rows.columns.has_duplicates:
        received = "none" if len(rows) == 0 else f"{list(rows.columns)}"
        bad_value("rows", "rows with distinct column names", received, "rename them")
    if background is not None and list(background.columns) != list(rows.columns):
        bad_value(
            "background",
            f"a table with the columns {list(rows.columns)}",
            f"{list(background.columns)}",
            "select the same columns in the same order",
        )
    frames = [rows] if background is None else [rows, background]
    categories: dict[str, list[Any]] = {}
    coded: list[list[Tensor]] = [[] for _ in frames]
    for column in rows.columns:
        parts = _code(str(column), [frame[column] for frame in frames], categories)
        for place, values in zip(coded, parts, strict=True):
            place.append(values)
    tensors = [torch.stack(columns, dim=1) for columns in coded]
    return TablePlayers(
        inputs=tensors[0],
        background=tensors[1] if background is not None else None,
        names=tuple(str(column) for column in rows.columns),
        categories=categories,
        _types={str(column): rows[column].dtype for column in rows.columns},
    )


def _code(
    name: str, columns: list[Any], categories: dict[str, list[Any]]
) -> list[Tensor]:
    """Return the columns as numbers; values of another type are noted and numbered."""
    if all(column.dtype.kind in "iuf" for column in columns):
        numbers = [
            torch.as_tensor(column.to_numpy("float64", copy=True)) for column in columns
        ]
        if any(bool(torch.isnan(part).any()) for part in numbers):
            bad_value(name, "a column without gaps", "NaN", "fill what is missing")
        return numbers
    values: dict[Any, int] = {}
    codes = [
        [values.setdefault(value, len(values)) for value in column.tolist()]
        for column in columns
    ]
    categories[name] = list(values)
    return [torch.tensor(part, dtype=torch.float64) for part in codes]
