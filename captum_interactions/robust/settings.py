"""The numbers of an attack: checked once, and the presets of the papers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from torch import Tensor

from captum_interactions._checks import bad_type, bad_value, check_positive_int

__all__ = ["AttackSettings", "PRESETS"]

_MI = {"momentum": 1.0}
_VR = {"noise_samples": 10, "noise_std": 15 / 255}
_SGM = {"skip_gamma": 0.2}
_IR = {"ir_weight": 1.0}

#: Keyword arguments of :meth:`TransferAttack.perturb` by the papers' names. SGM's γ is
#: 0.2 for ResNets and 0.5 for DenseNets; the number of noisy copies is not published.
#: σ is that of images in [0, 1].
PRESETS: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        name: MappingProxyType(options)
        for name, options in {
            "PGD": {},
            "MI": _MI,
            "VR": _VR,
            "SGM": _SGM,
            "IR": _IR,
            "MI+IR": {**_MI, **_IR},
            "SGM+IR": {**_SGM, **_IR},
            "Hybrid": {**_MI, **_VR, **_SGM, **_IR},
        }.items()
    }
)


@dataclass(frozen=True)
class AttackSettings:
    """The numbers of one attack, as :meth:`TransferAttack.perturb` documents them.

    Raises:
        TypeError: If a count is not an integer.
        ValueError: If a number is out of range.
    """

    radius: float
    step_size: float
    step_num: int
    targeted: bool
    random_start: bool
    norm: str
    momentum: float
    noise_samples: int
    noise_std: float
    skip_gamma: float
    kernel_size: int
    diversity_prob: float
    diversity_scale: float
    ir_weight: float
    ir_fraction: float
    ir_sets: int

    def __post_init__(self) -> None:
        for name in ("radius", "step_size"):
            value = getattr(self, name)
            if not 0 < value < math.inf:
                bad_value(name, "a positive number", value, "the attack has to move")
        check_positive_int("step_num", self.step_num, "at least one step")
        check_positive_int("kernel_size", self.kernel_size, "1 is no smoothing")
        check_positive_int("ir_sets", self.ir_sets, "the papers take 32")
        if self.noise_samples:
            check_positive_int("noise_samples", self.noise_samples, "0 is no noise")
        if self.norm not in ("Linf", "L2"):
            bad_value("norm", "'Linf' or 'L2'", repr(self.norm), "as in Captum")
        if self.kernel_size % 2 == 0:
            bad_value("kernel_size", "odd", self.kernel_size, "the kernel is centered")
        for name in ("momentum", "noise_std", "skip_gamma", "ir_weight"):
            value = getattr(self, name)
            if not value >= 0:
                bad_value(name, "0 or more", value, "see the documentation")
        if not 0 <= self.diversity_prob <= 1:
            bad_value(
                "diversity_prob", "in 0..1", self.diversity_prob, "it is a probability"
            )
        if not 0 < self.ir_fraction < 1:
            bad_value("ir_fraction", "between 0 and 1", self.ir_fraction, "A is a part")

    @property
    def direction(self) -> int:
        """+1 to climb the loss of the true class, −1 to descend to a chosen one."""
        return -1 if self.targeted else 1

    @property
    def noisy(self) -> bool:
        """Whether the gradient is averaged over noise (VR)."""
        return self.noise_samples > 0 and self.noise_std > 0

    def check_images(self, inputs: tuple[Tensor, ...]) -> None:
        """Refuse image options on anything else.

        Raises:
            TypeError: If an input is not a floating tensor.
            ValueError: If an option asks for images, or enlarges them by nothing.
        """
        for tensor in inputs:
            if not tensor.is_floating_point():
                bad_type(
                    "inputs", "floating tensors", tensor.dtype, "perturb an embedding"
                )
            for name, used in (
                ("kernel_size", self.kernel_size > 1),
                ("diversity_prob", self.diversity_prob > 0),
            ):
                if used and tensor.dim() != 4:
                    bad_value(
                        name,
                        "left alone unless inputs are (batch, channels, height, width)",
                        f"{getattr(self, name)} for shape {tuple(tensor.shape)}",
                        "it works on images",
                    )
            if self.diversity_prob > 0 and int(
                min(tensor.shape[-2:]) * self.diversity_scale
            ) <= min(tensor.shape[-2:]):
                bad_value(
                    "diversity_scale",
                    "large enough to add a pixel",
                    f"{self.diversity_scale} for {tuple(tensor.shape[-2:])} pixels",
                    "use a larger one",
                )
