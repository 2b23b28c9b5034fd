"""The proof that coalitions may share a forward pass.

Captum evaluates one perturbation per pass unless it is told otherwise; here they share
passes, which is right only if a row's output does not depend on the rows beside it, on
chance, or on what was evaluated before. Two control coalitions, N and a small one, are
evaluated alone and compared with what they give in company, where they occur anyway.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple, NoReturn

import torch
from torch import Tensor

from captum_interactions._checks import bad_value
from captum_interactions.functional.coalitions import accumulation_dtype
from captum_interactions.games._callables import is_training
from captum_interactions.games._one_by_one import UnbatchableError
from captum_interactions.games._precision import (
    asked_units,
    beyond_rounding,
    working_unit,
)
from captum_interactions.games._random_state import RandomState
from captum_interactions.games.rows import CodeRows, MaskRows

__all__ = ["Proof"]

# What differs by less than half of the digits (eps to this power) of what the players
# change is noise of the arithmetic, atomic sums on a GPU say, and is measured as such.
_NOISE_POWER = 0.5
# Up to eps to this power of it (0.25 % in float32), rows that don't heed the content of
# the others may still be rounded differently: in a network whose outputs are small
# beside what they are made of.
_DOUBTFUL_POWER = 0.375
# Of a forward function that draws, so many coalitions are evaluated twice.
_REDRAWN = 64
# Chance may happen to draw the same twice; it is asked this often.
_REPEATS = 4


class _Control(NamedTuple):
    """One coalition with one baseline, evaluated by itself."""

    position: int
    baseline: int
    rows: tuple[Tensor, ...]  # (batch, *features) each
    alone: Tensor  # (batch, *outputs)


class Proof:
    """Control coalitions of a game and what becomes of them in company.

    Args:
        forward: One pass on rows of so many coalitions times baselines, for its raw
            output, ``(rows, *outputs)``.
        func: The forward function, to look at.
        random: The random state around the passes.
        source: The first coalitions to be evaluated.
        size: Coalitions of a pass, if that is known.
        batch_size: The number of examples.
        n_baselines: Baselines of each coalition.

    Attributes:
        gap: Largest difference between outputs of the same rows in different passes,
            ``(batch, *outputs)``: what the arithmetic of the model leaves open.
        seconds: Time of a pass on one coalition.
        one_by_one: Set when coalitions don't share passes any more.
    """

    def __init__(
        self,
        forward: Callable[[tuple[Tensor, ...], int], Tensor],
        func: Callable[..., Any],
        random: RandomState,
        source: MaskRows | CodeRows,
        size: int | None,
        batch_size: int,
        n_baselines: int,
    ) -> None:
        self._forward, self._func, self._random = forward, func, random
        self._n_baselines = n_baselines
        self._source: MaskRows | CodeRows | None = source
        self._controls = []
        for position, baseline in source.controls(size):
            rows = source.rows(position, position + 1)
            own = slice(baseline * batch_size, (baseline + 1) * batch_size)
            rows = tuple(row[own] for row in rows)
            start = time.perf_counter()
            alone = self._pass(rows)
            alone.sum().item()  # waits for a GPU
            self.seconds = time.perf_counter() - start  # the last: the first warms up
            self._controls.append(_Control(position, baseline, rows, alone))
        self._unit = 0.0
        self.one_by_one = False
        self.gap = torch.zeros_like(self._controls[0].alone)

    def look(
        self,
        source: MaskRows | CodeRows,
        start: int,
        stop: int,
        rows: Callable[[], tuple[Tensor, ...]],
        output: Tensor,  # (C·K·batch, *outputs)
    ) -> None:
        """Compare controls among coalitions start..stop−1 with themselves alone.

        Args:
            source: Where the coalitions come from; other sources are not looked at.
            start: Position of the first.
            stop: Position after the last.
            rows: Makes the rows of the pass again.
            output: What the pass returned.

        Raises:
            UnbatchableError: If rows depend on each other or on their number.
            ValueError: If the forward function is random or keeps state.
        """
        if source is not self._source:
            return
        if self._random.drawn and start < _REDRAWN:
            self._draw_again(rows(), output)
        for control in self._controls:
            if start <= control.position < stop:
                company = (control.position - start) * self._n_baselines
                company += control.baseline
                self._compare(control, company * len(control.alone), rows, output)
        if stop == source.total:
            self._source = None  # all were met; let go of the coalitions

    def recognize(self, values: Tensor) -> None:
        """Compare the controls with values that an earlier run may have left.

        Args:
            values: Of all coalitions of the first source, ``(batch, *outputs, C)``.

        Raises:
            ValueError: If they are another forward function's.
        """
        if self._n_baselines > 1 or len(values) != len(self._controls[0].alone):
            return
        spread = values.amax(-1) - values.amin(-1)
        for control in self._controls:
            unit = working_unit(self._func, control.rows)
            gap = (values[..., control.position] - control.alone).abs()
            if beyond_rounding(
                gap, control.alone, unit, unit**_DOUBTFUL_POWER * spread
            ):
                bad_value(
                    "store",
                    "of this forward function",
                    f"values of the same coalitions that differ by {gap.max():.3g}",
                    "it depends on what can't be seen from outside (a file, a server): "
                    "name another folder",
                )

    def _pass(self, rows: tuple[Tensor, ...], repeats: int = 1) -> Tensor:
        output = self._forward(tuple(row.clone() for row in rows), repeats)
        return output.to(accumulation_dtype(output.device), copy=True)

    def _compare(
        self,
        control: _Control,
        at: int,
        rows: Callable[[], tuple[Tensor, ...]],
        output: Tensor,
    ) -> None:
        if output.shape[1:] != control.alone.shape[1:]:
            raise UnbatchableError("the shape of the output depends on their number")
        again = output[at : at + len(control.alone)].to(control.alone.dtype)
        gap = (again - control.alone).abs_()
        # First by the output's own unit, at which the least time is spent.
        unit = torch.finfo(output.dtype).eps if output.is_floating_point() else 0.0
        if beyond_rounding(gap, control.alone, unit, None, asked_units(unit)):
            self._weigh(control, at, rows, output, gap)
        self.gap = self.gap.maximum(gap)

    def _weigh(
        self,
        control: _Control,
        at: int,
        rows: Callable[[], tuple[Tensor, ...]],
        output: Tensor,
        gap: Tensor,
    ) -> None:
        """Ask whether a difference is rounding, measured by what the model does."""
        self._unit = working_unit(self._func, (*control.rows, output))
        seen = output.to(control.alone.dtype).reshape(-1, *control.alone.shape)
        spread = seen.amax(0) - seen.amin(0)
        for other in self._controls:
            spread = spread.maximum((other.alone - control.alone).abs())
        allowed = asked_units(self._unit)
        if beyond_rounding(
            gap, control.alone, self._unit, allowed * self._unit * spread, allowed
        ):
            again = seen.flatten(0, 1)[at : at + len(control.alone)]
            self._explain(control, at, rows(), again, spread)

    def _explain(
        self,
        control: _Control,
        at: int,
        rows: tuple[Tensor, ...],
        again: Tensor,
        spread: Tensor,
    ) -> None:
        """Say why a control differs in company; return if it is rounding after all."""
        noise = self._unit**_NOISE_POWER * spread
        for other in 2 * [control, *self._controls]:
            gap = (self._pass(other.rows) - other.alone).abs()
            if beyond_rounding(gap, other.alone, self._unit, noise):
                self._refuse(control, noise)
            self.gap = self.gap.maximum(gap)
        gap = (again - control.alone).abs()
        repeats = len(rows[0]) // len(control.rows[0])
        if repeats == 1 or self.one_by_one:
            if beyond_rounding(gap, control.alone, self._unit, noise):
                self._refuse(control, noise)
            return
        place = slice(at, at + len(again))
        company = tuple(row.repeat(repeats, *(1,) * (row.dim() - 1))
                        for row in control.rows)  # fmt: skip
        change = (self._pass(company, repeats)[place] - again).abs()
        chance = (self._pass(rows, repeats)[place] - again).abs()
        # Rounding depends on how many rows there are, never on what is in the others.
        rounding = asked_units(self._unit) * self._unit * (control.alone.abs() + spread)
        heeded = change > (gap / 8).maximum(8 * chance)
        if bool((heeded & (gap > rounding)).any()):
            raise UnbatchableError("the rows of a pass depend on each other")
        doubtful = self._unit**_DOUBTFUL_POWER * spread
        if beyond_rounding(gap, control.alone, self._unit, doubtful):
            raise UnbatchableError(
                "values depend on how many rows share a pass, as they do if a tensor "
                "in `additional_forward_args` has no batch axis"
            )

    def _draw_again(self, rows: tuple[Tensor, ...], output: Tensor) -> None:
        """Refuse a forward function that draws, if that changes any value of a pass."""
        size = len(self._controls[0].rows[0])
        passes = self._n_baselines if self.one_by_one else 1
        parts = zip(*(row.chunk(passes) for row in rows), strict=True)
        repeats = len(rows[0]) // size // passes
        again = torch.cat([self._pass(part, repeats) for part in parts])
        first = output.to(again.dtype)
        unit = working_unit(self._func, (*rows, output))
        spread = first.amax(0) - first.amin(0)
        if len(first) == size:
            spread = (self._controls[-1].alone - self._controls[0].alone).abs().amax(0)
        gap = (again - first).abs()
        if beyond_rounding(gap, first, unit, unit**_NOISE_POWER * spread):
            self._say(float(gap.max()), draws=True)

    def _refuse(self, control: _Control, allowed: Tensor) -> NoReturn:
        """Say whether chance or memory makes a coalition's values differ."""
        self._pass(control.rows)  # so that the next two have the same before them
        with self._random.replayed() as again:
            first = self._pass(control.rows)
            again()
            second = self._pass(control.rows)
        repeats = [first, second]
        repeats += [self._pass(control.rows) for _ in range(_REPEATS)]
        differs = [
            beyond_rounding((one - second).abs(), control.alone, self._unit, allowed)
            for one in repeats
        ]
        values = torch.stack([control.alone, *repeats])
        size = (values.amax(0) - values.amin(0)).amax().item()
        self._say(size, draws=any(differs) and not differs[0])

    def _say(self, size: float, draws: bool) -> NoReturn:
        if draws:
            because = "it draws random numbers"
            remedy = "seed them inside it, or let it return the mean of many draws"
        else:
            because = "it keeps state from call to call, or a source of chance"
            remedy = "reset its state at the start of every call"
        if is_training(self._func):
            remedy = "a module is in train mode, so call .eval() first, or " + remedy
        raise ValueError(
            "`forward_func` must return the same values whenever it gets the same "
            f"input, got values that differ by {size:.3g} because {because}; {remedy}"
        )
