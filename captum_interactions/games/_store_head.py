"""The head of an evaluation's file: what was asked, and how it is laid out."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from captum_interactions.games._digest import digest

__all__ = ["Head", "entry_name", "read_head"]

MARK = "captum_interactions.store"
FORMAT = 1
SUFFIX = ".values"
_MAGIC = b"CIVALUES"
_START = struct.Struct("<8sQQ")  # magic, length of the head, checksum of the head
# What names the question; the rest names the model and the way it was asked.
QUESTION = ("inputs", "baselines", "target", "arguments", "players", "coalitions")
_WRITTEN = 1 << 32  # a checksum of 0 is a checksum as well


@dataclass(frozen=True)
class Head:
    """What the file of one evaluation says of itself.

    Attributes:
        components: What the values depend on, by name, as digests or in words.
        lead: Shape of the values without the axis of coalitions.
        total: Number of coalitions.
        block: Coalitions per block.
        extra: What else the game wants back, as plain JSON.
    """

    components: dict[str, str]
    lead: tuple[int, ...]
    total: int
    block: int
    extra: dict[str, Any]

    @property
    def n_blocks(self) -> int:
        """Blocks of the evaluation; the last one may be shorter."""
        return -(-self.total // self.block)

    @property
    def name(self) -> str:
        """Name of the file: the question, then all that the values depend on."""
        return entry_name(self.components)

    def packed(self) -> bytes:
        """Return the head as it stands in the file."""
        body = json.dumps(
            {
                "format": FORMAT, "components": self.components,
                "lead": list(self.lead), "total": self.total, "block": self.block,
                "extra": self.extra,
            }
        ).encode()  # fmt: skip
        body += b" " * (-(len(body) + _START.size) % 8)
        return _START.pack(_MAGIC, len(body), zlib.crc32(body)) + body


def entry_name(components: Mapping[str, str]) -> str:
    """Return the file name of what depends on these components."""
    question = {name: components[name] for name in QUESTION if name in components}
    return f"{digest(question)[:24]}-{digest(dict(components))[:24]}{SUFFIX}"


def read_head(path: Path) -> tuple[Head, int] | None:
    """Return a file's head and its length; None if it is damaged."""
    try:
        with path.open("rb") as file:
            magic, length, checksum = _START.unpack(file.read(_START.size))
            body = file.read(length) if length < 1 << 24 else b""
        if magic != _MAGIC or len(body) != length or zlib.crc32(body) != checksum:
            return None
        said = json.loads(body)
        head = Head(
            said["components"], tuple(said["lead"]), said["total"], said["block"],
            said["extra"],
        )  # fmt: skip
    except (struct.error, ValueError, KeyError, TypeError):
        return None
    fits = said["format"] == FORMAT and head.name == path.name and head.block > 0
    return (head, _START.size + length) if fits else None
