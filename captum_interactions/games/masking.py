"""Masked inputs: present players keep their input, absent ones get the baseline.

Rows are built by ``torch.where``, never by multiplication, so that NaN, integer token
ids and boolean inputs come through. Row order is Captum's: the batch is tiled, so row
(c, k, b) is coalition c, baseline k, example b.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from captum_interactions._checks import bad_type, bad_value
from captum_interactions._kinds import check_kind
from captum_interactions._signature import checked_methods
from captum_interactions.functional.coalitions import accumulation_dtype
from captum_interactions.players.players import Players, _broadcasts_to

__all__ = ["BaselineSet", "MaskedInputs", "format_baselines"]


@checked_methods
@dataclass(frozen=True)
class BaselineSet:
    """A set of baselines over which v(S) is averaged.

    v(S) = mean over k of f(x with its absent players taken from sample k): the marginal
    value function of SHAP, where a plain baseline gives the value function of Captum.

    Attributes:
        samples: One tensor per input (a lone tensor for a single input) with K samples
            first, ``(K, *input.shape[1:])``.

    Example:
        >>> BaselineSet(torch.zeros(10, 3)).size
        10
    """

    samples: Tensor | tuple[Tensor, ...]

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """The samples as a tuple, one tensor per input."""
        samples = self.samples
        return samples if isinstance(samples, tuple) else (samples,)

    @property
    def size(self) -> int:
        """The number of samples K."""
        return len(self.tensors[0])


def format_baselines(
    baselines: object, inputs: tuple[Tensor, ...]
) -> tuple[Tensor, ...]:
    """Return one tensor per input that broadcasts to ``(K, batch, *features)``.

    Raises:
        TypeError: If a baseline is neither a number nor a tensor.
        ValueError: If there are more or fewer baselines than inputs, or one of them
            fits its input neither in shape nor in kind.
    """
    if isinstance(baselines, BaselineSet):
        return _format_baseline_set(baselines, inputs)
    if baselines is None:
        given: Sequence[object] = (0,) * len(inputs)
    elif isinstance(baselines, tuple):
        given = baselines
    else:
        given = (baselines,)
    if len(given) != len(inputs):
        bad_value(
            "baselines",
            f"one baseline per input tensor ({len(inputs)})",
            f"{len(given)}",
            "pass a tuple with a number or tensor for every input",
        )
    return tuple(
        _format_baseline(baseline, tensor)
        for baseline, tensor in zip(given, inputs, strict=True)
    )


def _format_baseline(baseline: object, tensor: Tensor) -> Tensor:
    if isinstance(baseline, (bool, int, float)):
        baseline = _number(baseline, tensor)
    if not isinstance(baseline, Tensor):
        bad_type(
            "baselines",
            "None, a number, a tensor, a tuple of those, or a BaselineSet",
            baseline,
            "convert it with torch.as_tensor",
        )
    check_kind("baselines", Tensor, baseline)
    if not _broadcasts_to(baseline.shape, tensor.shape):
        bad_value(
            "baselines",
            f"broadcastable to the input's shape {tuple(tensor.shape)}",
            f"shape {tuple(baseline.shape)}",
            "pass one baseline per example, or a single one with first dimension 1; "
            "to average over several baselines pass a BaselineSet",
        )
    missing = tensor.dim() - baseline.dim()
    return _cast(baseline, tensor).reshape(1, *(1,) * missing, *baseline.shape)


def _number(value: float, tensor: Tensor) -> Tensor:
    """A number as a tensor, not yet in the input's dtype."""
    dtype = None
    if tensor.is_floating_point() or isinstance(value, float):
        # At full precision, whatever torch's default dtype is.
        value, dtype = float(value), accumulation_dtype(tensor.device)
    try:
        return torch.full((1,) * tensor.dim(), value, dtype=dtype, device=tensor.device)
    except (OverflowError, RuntimeError):  # an integer of more than 64 bits
        bad_value(
            "baselines",
            f"representable in the input's dtype {tensor.dtype}",
            "an integer of more than 64 bits",
            "use values that the input itself could have",
        )


def _format_baseline_set(
    baselines: BaselineSet, inputs: tuple[Tensor, ...]
) -> tuple[Tensor, ...]:
    for samples, tensor in zip(baselines.tensors, inputs, strict=False):
        if samples.shape[1:] != tensor.shape[1:] or len(samples) != baselines.size:
            bad_value(
                "baselines",
                f"a BaselineSet of {baselines.size} samples of shape "
                f"{tuple(tensor.shape[1:])}",
                f"shape {tuple(samples.shape)}",
                "stack the samples along the first dimension",
            )
    if len(baselines.tensors) != len(inputs) or baselines.size == 0:
        bad_value(
            "baselines",
            f"a BaselineSet with samples for each of the {len(inputs)} inputs",
            f"{len(baselines.tensors)} tensors of {baselines.size} samples",
            "pass one tensor of samples per input",
        )
    return tuple(
        _cast(samples, tensor).unsqueeze(1)
        for samples, tensor in zip(baselines.tensors, inputs, strict=True)
    )


def _cast(baseline: Tensor, tensor: Tensor) -> Tensor:
    """Move a baseline to its input's device and dtype, refusing to change its values.

    Rounding of one floating dtype to another is allowed; wrapping round, overflow,
    cutting off a fraction and losing an imaginary part are not.
    """
    lost = ""
    if baseline.is_complex() and not tensor.is_complex():
        lost = "complex values" if bool(baseline.imag.any()) else ""
        baseline = baseline.real
    cast = baseline.to(device=tensor.device, dtype=tensor.dtype)
    if tensor.is_floating_point() or tensor.is_complex():
        finite = baseline.isfinite().to(cast.device)
        if not bool(cast.isfinite()[finite].all()):
            lost = "values beyond its range"
    elif not torch.equal(cast.to(baseline), baseline):
        lost = "fractional values or values beyond its range"
    if lost:
        bad_value(
            "baselines",
            f"representable in the input's dtype {tensor.dtype}",
            lost,
            "use values that the input itself could have, such as a pad or mask id",
        )
    return cast


def _memory_format(tensor: Tensor) -> torch.memory_format:
    """Return in which order an input's elements lie, that its rows may lie alike."""
    if not tensor.is_contiguous():
        if tensor.dim() == 4 and tensor.is_contiguous(
            memory_format=torch.channels_last
        ):
            return torch.channels_last
        if tensor.dim() == 5 and tensor.is_contiguous(
            memory_format=torch.channels_last_3d
        ):
            return torch.channels_last_3d
    return torch.contiguous_format


class MaskedInputs:
    """Builds the rows f is called on from coalitions.

    Args:
        inputs: Input tensors, batch axis first.
        baselines: From :func:`format_baselines`, ``(K, batch, *features)`` or
            broadcastable to that.
        players: Which elements belong to which player.
    """

    def __init__(
        self,
        inputs: tuple[Tensor, ...],
        baselines: tuple[Tensor, ...],
        players: Players,
    ) -> None:
        self.inputs = inputs
        self.baselines = baselines
        self.players = players
        self.batch_size = inputs[0].shape[0]
        self.n_baselines = max(baseline.shape[0] for baseline in baselines)
        self.memory_formats = tuple(map(_memory_format, inputs))

    def select(
        self,
        index: Tensor,  # (k,) int64
    ) -> MaskedInputs:
        """Return the same for some of the examples."""
        return MaskedInputs(
            tuple(tensor[index.to(tensor.device)] for tensor in self.inputs),
            tuple(
                baseline
                if baseline.shape[1] == 1
                else baseline[:, index.to(baseline.device)]
                for baseline in self.baselines
            ),
            self.players.select(index),
        )

    @property
    def rows_per_coalition(self) -> int:
        """Rows of one coalition: baselines times examples."""
        return self.n_baselines * self.batch_size

    @property
    def bytes_per_coalition(self) -> int:
        """Bytes of the masked inputs of one coalition."""
        return self.n_baselines * sum(t.numel() * t.element_size() for t in self.inputs)

    def rows(
        self,
        masks: Tensor,  # (C, n) or (batch, C, n)
    ) -> tuple[Tensor, ...]:
        """Return the masked inputs of some coalitions, ``(C·K·batch, *features)``."""
        return tuple(
            torch.where(_present(masks, mask).unsqueeze(1), tensor, baseline).flatten(
                0, 2
            )
            for tensor, baseline, mask in zip(
                self.inputs, self.baselines, self.players.masks, strict=True
            )
        )


def _present(masks: Tensor, players: Tensor) -> Tensor:
    """Spread coalitions over input elements: ``(C, batch or 1, *features)`` bool."""
    masks = masks.to(players.device)
    if masks.dim() == 2:
        return masks[:, players]
    masks = masks.transpose(0, 1)  # (C, batch, n)
    if players.shape[0] == 1:
        return masks[:, :, players[0]]
    index = players.reshape(1, len(players), -1).expand(len(masks), -1, -1)
    return masks.gather(-1, index).reshape(len(masks), *players.shape)
