"""Windows of a time series as players."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from captum_interactions._checks import bad_value, check_held, check_positive_int
from captum_interactions._signature import checked

__all__ = ["window_mask"]


@checked
def window_mask(
    length: int,
    windows: int,
    channels: Sequence[str] | int = 1,
    *,
    split_channels: bool = True,
    lengths: Sequence[int] | None = None,
) -> tuple[Tensor, tuple[str, ...]]:
    """Players of a time series: windows of time, of each channel or of all together.

    Args:
        length: Time steps, padding included.
        windows: Windows of (nearly) equal length.
        channels: Names of the channels, or their number.
        split_channels: Whether each channel of a window is a player of its own.
        lengths: Time steps of each series before its padding, which is at the end. Its
            windows cover those alone; padding belongs to the last window. A padded step
            whose baseline is its own value never changes, see the example.

    Returns:
        A feature mask, ``(1 or series, length, channels)`` int64, ids by window, then
        by channel; swap the last two axes for ``(batch, channels, length)``. And one
        name per player; with lengths the windows are numbered, otherwise they are named
        by their steps, first to last.

    Raises:
        TypeError: If a number is not an integer.
        ValueError: If there are more windows than steps, or a length is not in
            1..length.

    Example:
        >>> mask, names = window_mask(4, 2, ["rain", "wind"])
        >>> mask.tolist()
        [[[0, 1], [0, 1], [2, 3], [2, 3]]]
        >>> names
        ('rain 0–1', 'wind 0–1', 'rain 2–3', 'wind 2–3')
        >>> x, steps = torch.tensor([[[5.0], [7.0], [-1.0]]]), 2
        >>> mask, _ = window_mask(3, 2, lengths=[steps])
        >>> padded = torch.arange(3)[None, :, None] >= steps
        >>> baselines = torch.where(padded, x, 0.0)  # what is padded stays as it is
        >>> mask.flatten().tolist(), baselines.flatten().tolist()
        ([0, 1, 1], [0.0, 0.0, -1.0])
    """
    check_positive_int("length", length, "a series has a step")
    check_positive_int("windows", windows, "ask for a window")
    count = channels if isinstance(channels, int) else len(channels)
    check_positive_int("channels", count, "a series has a channel")
    ends = [length] if lengths is None else list(lengths)
    total = len(ends) * length * count
    check_held("length, channels", total, "a mask has a number for each step")
    named = not isinstance(channels, int)
    names = list(channels) if not isinstance(channels, int) else [""] * channels
    if not ends:
        bad_value("lengths", "at least one series", "none", "pass None for full ones")
    for end in ends:
        if not 1 <= end <= length:
            bad_value("lengths", f"in 1..{length}", end, "drop an empty series")
        if windows > end:
            bad_value("windows", f"at most {end}, one per step", windows, "use fewer")
    steps = torch.arange(length)
    window = torch.stack([steps.clamp(max=end - 1) * windows // end for end in ends])
    width = len(names) if split_channels else 1
    channel = torch.arange(len(names)) if split_channels else torch.zeros(len(names))
    mask = window.unsqueeze(-1) * width + channel.long()
    spans = [_span(window[0], w) if lengths is None else str(w) for w in range(windows)]
    if not named and len(names) > 1:
        names = [f"channel {i}" for i in range(len(names))]
    if not split_channels:
        names = [""]
    return mask, tuple(f"{name} {span}".strip() for span in spans for name in names)


def _span(window: Tensor, number: int) -> str:
    steps = (window == number).nonzero()[:, 0]
    return f"{int(steps[0])}–{int(steps[-1])}"  # noqa: RUF001
