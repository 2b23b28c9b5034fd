"""A folder of evaluated blocks: one file per evaluation, one checksum per block.

A file is a head of JSON, a table of checksums and the values, block after block. Values
are written before their checksum, so that a process that is killed loses the block it
was at; a block whose checksum doesn't fit counts as never evaluated.
"""

from __future__ import annotations

import contextlib
import os
import struct
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from captum_interactions._checks import bad_value
from captum_interactions.games._files import (
    explained,
    read_all,
    take_lock,
    write_all,
    written_elsewhere,
)
from captum_interactions.games._store_head import (
    _WRITTEN,
    FORMAT,
    MARK,
    SUFFIX,
    Head,
    entry_name,
    read_head,
)

__all__ = ["Entry", "Head", "Store"]


class Entry:
    """The open file of one evaluation.

    Args:
        path: The file.
        head: Its head.
        offset: Where the checksums begin.
        descriptor: The open file.
    """

    def __init__(self, path: Path, head: Head, offset: int, descriptor: int) -> None:
        self.path = path
        self.head = head
        self._offset = offset
        self._values = offset + 8 * head.n_blocks
        self._rows = int(np.prod(head.lead, dtype=np.int64))
        self._descriptor = descriptor
        self._seed = zlib.crc32(head.name.encode())

    def close(self) -> None:
        """Hand the file, and the right to write it, back."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def write(self, index: int, values: np.ndarray) -> None:
        """Keep one block, ``(*lead, coalitions)`` float64."""
        data = np.ascontiguousarray(values, np.float64).tobytes()
        with explained(self.path.parent):
            write_all(self._descriptor, data, self._place(index))
            checksum = struct.pack("<Q", self._checksum(index, data))
            write_all(self._descriptor, checksum, self._offset + 8 * index)

    def read(self, index: int) -> np.ndarray | None:
        """Return one block, or None if it isn't there or isn't whole."""
        width = min(self.head.block, self.head.total - index * self.head.block)
        said = read_all(self._descriptor, 8, self._offset + 8 * index)
        data = read_all(self._descriptor, 8 * self._rows * width, self._place(index))
        if len(said) < 8 or struct.unpack("<Q", said)[0] != self._checksum(index, data):
            return None
        return np.frombuffer(data, np.float64).reshape(*self.head.lead, width)

    def _place(self, index: int) -> int:
        return self._values + 8 * self._rows * self.head.block * index

    def _checksum(self, index: int, data: bytes) -> int:
        # With the name and the place in it: a block of elsewhere is no block of this.
        return _WRITTEN | zlib.crc32(data, zlib.crc32(b"%d" % index, self._seed))

    def size(self) -> int:
        """Bytes of the whole file."""
        return self._values + 8 * self._rows * self.head.total


class Store:
    """A folder of entries, opened for reading and writing.

    Args:
        folder: Where; it is made if it isn't there.

    Raises:
        ValueError: If it can't be a store, or can't be written.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        self._mine: set[str] = set()
        mark = self.folder / MARK
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if not mark.exists():
                # Looked at again: another rank may be making the same store.
                if any(self.folder.iterdir()) and not mark.exists():
                    bad_value(
                        "store",
                        "a new or empty folder, or a store",
                        f"{str(self.folder)!r} with other files in it",
                        "name a folder of its own",
                    )
                mark.write_text(f"{FORMAT}\n", encoding="utf-8")
            with tempfile.TemporaryFile(dir=self.folder):
                pass
        except OSError as error:
            bad_value(
                "store",
                "a folder that can be written",
                f"{str(self.folder)!r} ({error.strerror})",
                "name another, or free it",
            )
        # Empty while another rank makes it, or for good if that one was killed.
        found = mark.read_text(encoding="utf-8").strip()
        if not found:
            mark.write_text(f"{FORMAT}\n", encoding="utf-8")
        elif found != str(FORMAT):
            bad_value(
                "store",
                f"a store of format {FORMAT}",
                f"one of format {found}",
                "name a new folder",
            )

    def find(self, components: Mapping[str, str]) -> Entry | None:
        """Open what was evaluated before, for writing; None if there is nothing.

        Raises:
            ValueError: If the same question was asked of another model, or in another
                way, by an earlier run.
            RuntimeError: If another process is writing it.
        """
        path = self.folder / entry_name(components)
        found = self._open(path)
        if found is None:
            self._refuse_others(components)
        self._mine.add(path.name)
        return found

    def add(self, head: Head) -> Entry:
        """Make the file of a new evaluation, and open it for writing."""
        packed = head.packed()
        path = self.folder / head.name
        with explained(self.folder):
            descriptor, name = tempfile.mkstemp(dir=self.folder, suffix=".new")
            entry = Entry(path, head, len(packed), descriptor)
            try:
                write_all(descriptor, packed, 0)
                os.ftruncate(descriptor, entry.size())
                os.chmod(name, 0o644)
                take_lock(descriptor, path)
                try:
                    os.link(name, path)  # fails if another process was faster
                except FileExistsError:
                    written_elsewhere(path)
                except OSError:  # a file system without links
                    os.replace(name, path)
            except BaseException:
                entry.close()
                raise
            finally:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(name)
        return entry

    def join(self, name: str) -> Entry | None:
        """Open a file that another rank of this run made and answers for."""
        return self._open(self.folder / name, lock=False)

    def _open(self, path: Path, lock: bool = True) -> Entry | None:
        with explained(self.folder):
            try:
                descriptor = os.open(path, os.O_RDWR)
            except FileNotFoundError:
                return None
            try:
                if lock:
                    take_lock(descriptor, path)
                read = read_head(path)
                if read is None:  # not even its head can be read: begin again
                    path.unlink()
                    os.close(descriptor)
                    return None
                entry = Entry(path, *read, descriptor)
                if os.fstat(descriptor).st_size < entry.size():
                    os.ftruncate(descriptor, entry.size())
                os.utime(path)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.close(descriptor)
                raise
        return entry

    def _refuse_others(self, components: Mapping[str, str]) -> None:
        question = entry_name(components).partition("-")[0]
        for path in sorted(self.folder.glob(f"{question}-*{SUFFIX}")):
            read = None if path.name in self._mine else read_head(path)
            if read is None:
                continue
            theirs = read[0].components
            differing = [
                name if len(components[name]) == 64 else
                f"{name} ({theirs.get(name)} there, {components[name]} here)"
                for name in components
                if components[name] != theirs.get(name)
            ]  # fmt: skip
            bad_value(
                "store",
                "of this model and these settings",
                f"{str(self.folder)!r}, where the same inputs were evaluated with "
                "other " + " and other ".join(differing),
                "name another folder, or empty this one with games.prune_store",
            )


def entries(folder: Path, name: str = f"*{SUFFIX}") -> Iterator[Entry]:
    """Open the readable files of a store one after the other, for reading only."""
    for path in sorted(folder.glob(name)):
        with contextlib.suppress(FileNotFoundError):  # removed meanwhile
            read = read_head(path)
            if read is None:
                continue
            descriptor = os.open(path, os.O_RDONLY)
            entry = Entry(path, *read, descriptor)
            try:
                yield entry
            finally:
                entry.close()
