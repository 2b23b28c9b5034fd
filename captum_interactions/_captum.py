"""The only importer of Captum's underscore names.

All of them kept their signature from captum 0.5 to 0.9; ``tests/test_imports.py``
imports each one, so that a release that moves one is noticed there.
"""

from __future__ import annotations

from typing import Any

from captum._utils.common import (
    _expand_additional_forward_args as expand_additional_forward_args,
)
from captum._utils.common import _expand_target as expand_target
from captum._utils.common import (
    _format_additional_forward_args as format_additional_forward_args,
)
from captum._utils.common import _format_feature_mask as format_feature_mask
from captum._utils.common import _format_output as format_output
from captum._utils.common import _is_tuple as is_tuple
from captum._utils.common import _select_targets as select_targets
from captum._utils.progress import NullProgress
from captum._utils.progress import progress as captum_progress
from captum._utils.typing import (
    BaselineType,
    TargetType,
    TensorOrTupleOfTensorsGeneric,
)
from captum.attr import PerturbationAttribution
from captum.log import log_usage

__all__ = [
    "BaselineType",
    "PerturbationAttribution",
    "TargetType",
    "TensorOrTupleOfTensorsGeneric",
    "expand_additional_forward_args",
    "expand_target",
    "format_additional_forward_args",
    "format_feature_mask",
    "format_output",
    "is_tuple",
    "log_usage",
    "progress_bar",
    "select_targets",
]


def progress_bar(
    show: bool, description: str, total: int | None, unit: str = "it"
) -> Any:
    """Return Captum's progress bar, or its silent stand-in."""
    if show:
        return captum_progress(desc=description, total=total, unit=unit)
    return NullProgress(desc=description, total=total)
