"""The results of a data set, batch by batch, in memory or in a folder of files."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, overload

from captum_interactions._checks import bad_value
from captum_interactions._signature import checked_methods
from captum_interactions.results.base import InteractionResult, load

__all__ = ["ExplainedDataset", "ResultFolder"]

_MARK = "dataset.json"
FORMAT = 1
_FILE = re.compile(r"batch-(\d{8})-([0-9a-f]{16})\.npz")


class ResultFolder:
    """A folder with one file per explained batch, named by its number and its digest.

    Args:
        path: Where; it is made if it isn't there.
        components: What all results in it depend on, by name.

    Raises:
        ValueError: If it holds other things, or results that depend on something else.
    """

    def __init__(
        self, path: str | os.PathLike[str], components: dict[str, str]
    ) -> None:
        self.path = Path(path)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            mark = self.path / _MARK
            if not mark.exists():
                # Looked at again: another process may be making the same folder.
                if any(self.path.iterdir()) and not mark.exists():
                    bad_value(
                        "folder",
                        "a new or empty folder, or one of explained batches",
                        f"{str(self.path)!r} with other files in it",
                        "name a folder of its own",
                    )
                said = {"format": FORMAT, "components": components}
                self._write(mark, json.dumps(said, indent=1).encode())
        except OSError as error:
            bad_value(
                "folder",
                "a folder that can be written",
                f"{str(self.path)!r} ({error.strerror})",
                "name another, or free it",
            )
        theirs = read_mark(self.path)
        differing = [n for n in components if theirs.get(n) != components[n]]
        if differing:
            bad_value(
                "folder",
                "of this method and these settings",
                f"{str(self.path)!r}, which was begun with other "
                + " and other ".join(differing),
                "name another folder, or remove this one",
            )

    def find(self, batch: int, digest: str) -> Path | None:
        """Return the file of a batch if it was explained before.

        Raises:
            ValueError: If other examples were explained under this number.
        """
        path = self._place(batch, digest)
        if path.exists():
            return path
        if any(self.path.glob(f"batch-{batch:08d}-*.npz")):
            bad_value(
                "loader",
                "one that gives the same batches in every run",
                f"other examples in batch {batch} than those explained in "
                f"{str(self.path)!r}",
                "set shuffle=False or seed its generator, or name another folder",
            )
        return None

    def keep(self, batch: int, digest: str, result: InteractionResult) -> Path:
        """Write a batch's result, whole or not at all."""
        return result.save(self._place(batch, digest))

    def _place(self, batch: int, digest: str) -> Path:
        return self.path / f"batch-{batch:08d}-{digest[:16]}.npz"

    def _write(self, path: Path, content: bytes) -> None:
        descriptor, name = tempfile.mkstemp(dir=self.path, suffix=".new")
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        try:
            os.chmod(name, 0o644)
            os.link(name, path)  # the first process decides
        except FileExistsError:
            pass
        except OSError:  # a file system without links
            os.replace(name, path)
            return
        os.unlink(name)


def read_mark(folder: Path) -> dict[str, str]:
    """Return what the results in a folder depend on.

    Raises:
        ValueError: If it is no such folder.
    """
    try:
        said = json.loads((folder / _MARK).read_text(encoding="utf-8"))
        if said["format"] == FORMAT:
            return dict(said["components"])
        found = f"one of format {said['format']}"
    except (OSError, ValueError, KeyError, TypeError):
        found = f"{str(folder)!r}, which isn't one"
    return bad_value(
        "folder",
        f"a folder of explained batches of format {FORMAT}",
        found,
        "pass the folder that explain_dataset wrote",
    )


@checked_methods
class ExplainedDataset(Sequence[InteractionResult]):
    """Results of a data set, one per batch, in the order of its loader.

    In memory, or in a folder, from which each result is read when it is asked for. A
    folder that several processes write is one data set for who reads it.

    Args:
        results: The results, or the files they are in, by the number of the batch.

    Raises:
        ValueError: If batches between others are missing.

    Example:
        >>> import torch, captum_interactions as ci
        >>> method = ci.AndInteraction(lambda x: x[:, 0] * x[:, 1])
        >>> batches = torch.ones(6, 2).split(4)
        >>> explained = ci.attr.explain_dataset(method, batches)
        >>> explained
        ExplainedDataset(2 batches in memory)
        >>> [len(result) for result in explained], len(explained.cat())
        ([4, 2], 6)
    """

    def __init__(self, results: dict[int, InteractionResult | Path]) -> None:
        missing = sorted(set(range(max(results, default=-1) + 1)) - set(results))
        if missing:
            few = ", ".join(map(str, missing[:5])) + ", …" * (len(missing) > 5)
            bad_value(
                "folder",
                "of a data set that is explained up to some batch",
                f"one where {len(missing)} batches before the last are missing ({few})",
                "run the shards that have them",
            )
        self._results = [results[number] for number in sorted(results)]

    @classmethod
    def open(cls, folder: str | os.PathLike[str]) -> ExplainedDataset:
        """Read a folder that :func:`~captum_interactions.attr.explain_dataset` wrote.

        Args:
            folder: The folder. Files that are written later aren't seen.

        Returns:
            The results, none of them loaded yet.

        Raises:
            ValueError: If it is no such folder, or batches between others are missing.
        """
        path = Path(folder)
        read_mark(path)
        found = [(_FILE.fullmatch(file.name), file) for file in path.iterdir()]
        return cls({int(name[1]): file for name, file in found if name is not None})

    def cat(self) -> InteractionResult:
        """Join the results of all batches into one, examples in order.

        Raises:
            ValueError: If there are none, or they can't be joined: see
                :meth:`InteractionResult.cat`.
        """
        if not self._results:
            raise ValueError("there must be a batch to join, got none; explain some")
        return type(self[0]).cat(self)

    def __len__(self) -> int:
        return len(self._results)

    @overload
    def __getitem__(self, index: int) -> InteractionResult: ...

    @overload
    def __getitem__(self, index: slice) -> list[InteractionResult]: ...

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        found = self._results[index]
        return load(found) if isinstance(found, Path) else found

    def __iter__(self) -> Iterator[InteractionResult]:
        return (self[index] for index in range(len(self)))

    def __repr__(self) -> str:
        on_disk = bool(self._results) and isinstance(self._results[0], Path)
        where = "in files" if on_disk else "in memory"
        return f"{type(self).__name__}({len(self)} batches {where})"
