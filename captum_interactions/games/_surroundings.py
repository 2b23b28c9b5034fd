"""What decides the bits of a value beside the model and its inputs."""

from __future__ import annotations

import platform

import torch

from captum_interactions.games._digest import version_of

__all__ = ["surroundings"]


def surroundings() -> dict[str, str]:
    """Name what else decides the bits of a value: versions and torch's modes."""
    versions = {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "captum_interactions": version_of(__name__),
    }
    modes = [torch.get_float32_matmul_precision(), *_autocasts()]
    return {
        "versions": ", ".join(
            f"{name} {version}" for name, version in versions.items()
        ),
        "modes": ", ".join(modes),
    }


def _autocasts() -> list[str]:
    """Say what is cast on the way; torch asks by device since 2.4."""
    try:
        return [
            f"autocast {kind} {torch.get_autocast_dtype(kind)}"
            for kind in ("cpu", "cuda")
            if torch.is_autocast_enabled(kind)
        ]
    except (AttributeError, TypeError):
        found = []
        if torch.is_autocast_enabled():
            found.append(f"autocast cuda {torch.get_autocast_gpu_dtype()}")
        if torch.is_autocast_cpu_enabled():
            found.append(f"autocast cpu {torch.get_autocast_cpu_dtype()}")
        return found
