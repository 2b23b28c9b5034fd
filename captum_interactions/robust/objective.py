"""What an attack climbs at each step, and its gradient."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from captum_interactions._checks import bad_value
from captum_interactions.games.masking import MaskedInputs
from captum_interactions.players.players import Players
from captum_interactions.robust.game import (
    check_classes,
    expanded,
    margin_of,
    strongest_other,
)
from captum_interactions.robust.gradients import Diversity, diversify, draw_units
from captum_interactions.robust.settings import AttackSettings

__all__ = ["Loss", "Objective", "Tensors"]

Tensors = tuple[Tensor, ...]
Loss = Callable[[Tensor, Tensor], Tensor]

# Bytes of masked inputs per forward pass unless a number of copies is given; what the
# network keeps for its backward pass is a multiple of it.
_PASS_BYTES = 1 << 22


class Objective:
    """What a step climbs, and its gradient with respect to the perturbed inputs."""

    def __init__(
        self,
        forward_func: Callable[..., Tensor],
        loss_func: str | Loss,
        settings: AttackSettings,
        labels: Tensor,
        args: tuple[Any, ...],
        units: Players,
        generator: torch.Generator,
        per_eval: int | None,
    ) -> None:
        self._forward_func = forward_func
        self._loss_func = loss_func
        self._settings = settings
        self._labels = labels
        self._args = args
        self._units = units
        self._generator = generator
        self._per_eval = per_eval
        self._checked = False

    def gradient(self, clean: Tensors, state: Tensors) -> Tensors:
        """Gradient of the objective at ``state``, one tensor per input."""
        with torch.enable_grad():
            leaves = tuple(x.detach().requires_grad_() for x in state)
            total = tuple(torch.zeros_like(x) for x in state)
            for term in self._terms(clean, leaves):
                parts = torch.autograd.grad(term, leaves, allow_unused=True)
                total = tuple(
                    t if part is None else t + part
                    for t, part in zip(total, parts, strict=True)
                )
        return total

    def _terms(self, clean: Tensors, leaves: Tensors) -> Iterator[Tensor]:
        """The objective in parts, each of them small enough for one backward pass."""
        settings = self._settings
        weight = settings.ir_weight
        if weight == 0:
            yield from self._loss_terms(leaves)
            return
        if not math.isinf(weight):
            yield from self._loss_terms(leaves)
        else:
            weight = 1.0
        for term in self._interaction_terms(clean, leaves):
            yield -weight * term

    def _loss_terms(self, leaves: Tensors) -> Iterator[Tensor]:
        """The loss, or its mean over noisy copies, summed over the batch."""
        settings = self._settings
        copies = settings.noise_samples if settings.noisy else 1
        # Drawn before the copies are divided into passes: how does not matter then.
        noise = [self._noise(leaf) for leaf in leaves] if settings.noisy else []
        draw = Diversity.draw(settings.diversity_prob, self._generator)
        start = 0
        for count in self._chunks(copies, leaves):
            rows = leaves
            if settings.noisy:
                rows = tuple(
                    (leaf + part[start : start + count]).flatten(0, 1)
                    for leaf, part in zip(leaves, noise, strict=True)
                )
            if draw is not None:
                rows = tuple(
                    diversify(row, settings.diversity_scale, draw) for row in rows
                )
            logits = self._logits(rows, count)
            losses = self._losses(logits, self._labels.repeat(count))
            yield settings.direction * losses.sum() / copies
            start += count

    def _noise(self, leaf: Tensor) -> Tensor:
        """Noise of all copies, shared by the batch, ``(copies, 1, *features)``."""
        noise = torch.randn(
            self._settings.noise_samples,
            1,
            *leaf.shape[1:],
            generator=self._generator,
            device=self._generator.device,
        )
        return self._settings.noise_std * noise.to(leaf)

    def _losses(self, logits: Tensor, labels: Tensor) -> Tensor:
        if self._loss_func == "cross_entropy":
            return cross_entropy(logits, labels, reduction="none")
        if self._loss_func == "margin":
            return margin_of(logits, labels, strongest_other(logits, labels))
        losses = self._loss_func(logits, labels)  # type: ignore[operator]
        if not isinstance(losses, Tensor) or losses.shape != labels.shape:
            shape = tuple(losses.shape) if isinstance(losses, Tensor) else type(losses)
            bad_value(
                "loss_func",
                f"a function that returns one loss per example ({len(labels)},)",
                f"{shape}",
                "use reduction='none'",
            )
        return losses

    def _interaction_terms(self, clean: Tensors, leaves: Tensors) -> Iterator[Tensor]:
        """G, summed over the batch; v(∅) has no gradient and is left out."""
        settings = self._settings
        with torch.no_grad():
            logits = self._logits(leaves, 1)
        rivals = strongest_other(logits, self._labels)
        own = draw_units(
            len(self._units), settings.ir_fraction, settings.ir_sets, self._generator
        ).to(leaves[0].device)
        masks = torch.cat([torch.ones_like(own[:1]), own, ~own])
        weights = torch.full((len(masks), 1), -1.0 / len(own), device=masks.device)
        weights[0] = 1.0
        masked = MaskedInputs(leaves, tuple(x.unsqueeze(0) for x in clean), self._units)
        start = 0
        for count in self._chunks(len(masks), leaves):
            chunk = slice(start, start + count)
            logits = self._logits(masked.rows(masks[chunk]), count)
            values = margin_of(
                logits, self._labels.repeat(count), rivals.repeat(count)
            ).reshape(count, -1)
            yield settings.direction * (weights[chunk].to(values) * values).sum()
            start += count

    def _logits(self, rows: Tensors, repeats: int) -> Tensor:
        logits = self._forward_func(*rows, *expanded(self._args, repeats))
        if not self._checked:
            if isinstance(self._loss_func, str) or self._settings.ir_weight > 0:
                check_classes(logits, self._labels.repeat(repeats))
            self._checked = True
        return logits

    def _chunks(self, total: int, leaves: Tensors) -> Iterator[int]:
        """Numbers of copies per forward pass that add up to ``total``."""
        bytes_per_copy = sum(x.numel() * x.element_size() for x in leaves)
        size = self._per_eval or max(1, _PASS_BYTES // max(1, bytes_per_copy))
        while total > 0:
            yield min(size, total)
            total -= size
