"""Bad input becomes one clear error, before the first forward pass.

Every message says which argument, what was expected, what came, and what to do.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from typing import NoReturn

# Beyond this many players 2^n forward rows and a table of 2^n doubles stop being a
# sensible thing to start by accident (n = 24: 16.8 million rows, 128 MiB).
MAX_EXACT_PLAYERS = 24
# Numbers that one call may hold before anything is evaluated: 2 GiB of int64. A count
# that asks for more is a slip, and memory would run out in the middle of it.
MAX_HELD = 2**28


def bad_value(argument: str, expected: str, received: object, remedy: str) -> NoReturn:
    """Raise ``ValueError`` in the one form that all messages of this package share."""
    raise ValueError(f"`{argument}` must be {expected}, got {received}; {remedy}")


def bad_type(argument: str, expected: str, received: object, remedy: str) -> NoReturn:
    """Raise ``TypeError`` in the one form that all messages of this package share."""
    raise TypeError(
        f"`{argument}` must be {expected}, got {type(received).__name__}; {remedy}"
    )


def user_level() -> int:
    """Return the ``stacklevel`` of a warning that points at the user's own line."""
    frame, level = sys._getframe(1), 1
    ours = ("captum_interactions", "captum.")
    while frame.f_back and frame.f_globals.get("__name__", "").startswith(ours):
        frame, level = frame.f_back, level + 1
    return level


def check_positive_int(
    argument: str, value: object, remedy: str, holds: int = 0
) -> int:
    """Return ``value`` if it is an integer of at least 1.

    Args:
        argument: Its name.
        value: What came.
        remedy: What to do otherwise.
        holds: How many numbers the call will hold for each of the ``value``.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        bad_type(argument, "a positive integer", value, remedy)
    if value < 1:
        bad_value(argument, "a positive integer", value, remedy)
    check_held(argument, value * holds, remedy)
    return value


def check_held(argument: str, count: int, remedy: str) -> None:
    """Refuse an argument that makes the call hold ``count`` numbers at once."""
    if count > MAX_HELD:
        bad_value(argument, f"for {MAX_HELD:,} numbers at most", f"{count:,}", remedy)


def check_tokenizer(tokenizer: object) -> None:
    """Refuse what makes no text of token ids; None is no tokenizer."""
    if tokenizer is not None and not hasattr(tokenizer, "decode"):
        bad_type("tokenizer", "a tokenizer", tokenizer, "or None")


def check_table_length(length: int) -> int:
    """Return n for a table whose last axis has ``length`` = 2^n entries."""
    n = length.bit_length() - 1
    if length < 1 or length != 1 << n:
        bad_value(
            "table",
            "a tensor whose last axis holds all 2**n coalitions",
            f"a last axis of {length}",
            "index coalition S by the sum of 2**i over its players i",
        )
    return n


def check_enumerable(n_players: int, limit: int = MAX_EXACT_PLAYERS) -> None:
    """Refuse exact enumeration beyond ``limit`` players and name the remedies."""
    if n_players > limit:
        magnitude = math.floor(n_players * math.log10(2))
        raise ValueError(
            f"`inputs` have {n_players} players, and exact enumeration stops at "
            f"{limit}: it would evaluate 2**{n_players} (about 10**{magnitude}) "
            "coalitions per example; pass a coarser `feature_mask` with fewer "
            "players, or a budget through `n_samples` where the method has one"
        )


def check_example(
    lead: Sequence[int], example: int, output: tuple[int, ...]
) -> tuple[int, ...]:
    """Return the index of one example and output into (examples, *outputs).

    Raises:
        ValueError: If there is no such example or output.
    """
    index = (example, *output)
    fits = len(index) == len(lead) and all(
        -size <= i < size for i, size in zip(index, lead, strict=True)
    )
    if not fits:
        bad_value(
            "example, output",
            f"an index into {tuple(lead)} (examples, *outputs)",
            index,
            "choose one example and, if there are several outputs, one output",
        )
    return index
