"""What a comparison of attributions shows: a table, a picture, a page."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from captum_interactions._checks import bad_value
from captum_interactions.comparison.agreement import (
    linear_correlation,
    rank_correlation,
    top_overlap,
)
from captum_interactions.comparison.allocation import Allocation
from captum_interactions.comparison.columns import COLUMNS, Column
from captum_interactions.comparison.page import render
from captum_interactions.players import Players
from captum_interactions.visualization import diverging, literal, sign_color

__all__ = ["AttributionComparison", "MethodRow"]


@dataclass(frozen=True)
class MethodRow:
    """What is known about one method; a figure that does not apply is NaN.

    Attributes:
        values: Attribution of every player, ``(batch, n)``, or ``None`` if it failed.
        error: Why it failed, or ``None``.
        notes: What has to be known to read the row: warnings of the method, and why a
            figure is missing.
        completeness_gap: Mean over examples of |Σ values − (v(N) − v(∅))|.
        shapley_distance: Σ|values − φ|/Σ|φ| to the exact Shapley values.
        infidelity: ``captum.metrics.infidelity``, mean over examples.
        sensitivity: ``captum.metrics.sensitivity_max``, mean over examples.
        deletion: Mean v after removing the first 0..n players, ``(n + 1,)``.
        insertion: Mean v after adding the first 0..n players, ``(n + 1,)``.
        allocation: Where the strongest AND interactions go, for perturbation methods.
        seconds: Wall-clock time of the call.
        n_forwards: Forward passes of the call.
        n_rows: Rows those passes had in all.
    """

    values: Tensor | None = field(default=None, repr=False)
    error: str | None = None
    notes: tuple[str, ...] = ()
    completeness_gap: float = math.nan
    shapley_distance: float = math.nan
    infidelity: float = math.nan
    sensitivity: float = math.nan
    deletion: Tensor | None = field(default=None, repr=False)
    insertion: Tensor | None = field(default=None, repr=False)
    allocation: Allocation | None = None
    seconds: float = math.nan
    n_forwards: int = 0
    n_rows: int = 0


@dataclass(frozen=True, eq=False, repr=False)
class AttributionComparison:
    """Attribution methods side by side; printing it shows the table.

    Attributes:
        rows: One row per method, in the order given.
        players: The players that attributions were summed over.
        v_empty: v(∅) of every example, ``(batch,)``.
        v_full: v(N) of every example, ``(batch,)``.
        shapley: Exact Shapley values, ``(batch, n)``, or ``None`` for too many players.
        images: The inputs if they are images, for :meth:`plot`.
        text: Whether the inputs are token ids, for :meth:`to_html`.
        labels: Names of the players of every example.
    """

    rows: dict[str, MethodRow]
    players: Players
    v_empty: Tensor = field(repr=False)
    v_full: Tensor = field(repr=False)
    shapley: Tensor | None = field(default=None, repr=False)
    images: Tensor | None = field(default=None, repr=False)
    text: bool = False
    labels: tuple[tuple[str, ...], ...] | None = None

    @property
    def values(self) -> dict[str, Tensor]:
        """Attribution of every player by the methods that worked, ``(batch, n)``."""
        return {
            name: row.values
            for name, row in self.rows.items()
            if row.values is not None
        }

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns of the table: those in which any method has a figure."""
        rows = [row for row in self.rows.values() if row.error is None]
        return tuple(c for c in COLUMNS if any(c.written(row) for row in rows))

    def named(
        self, names: Sequence[str] | Sequence[Sequence[str]]
    ) -> AttributionComparison:
        """Return the same comparison with other names for its players.

        Args:
            names: One name per player, in the order of their feature-mask ids; or, for
                sentences, a list of words for each example. Words may repeat there.

        Raises:
            ValueError: If there is not one (distinct) name per player.
        """
        if all(isinstance(name, str) for name in names):
            return replace(self, players=self.players.named(list(map(str, names))))
        n = len(self.players)
        if len(names) != len(self.v_full) or any(len(row) != n for row in names):
            bad_value(
                "names",
                f"a list of {n} words for each of {len(self.v_full)} examples",
                f"lists of {[len(row) for row in names]} words",
                "give the words in the order of their feature-mask ids",
            )
        return replace(self, labels=tuple(tuple(map(str, row)) for row in names))

    def labels_of(self, example: int) -> tuple[str, ...]:
        """Names of the players in one example."""
        return self.players.names if self.labels is None else self.labels[example]

    def agreement(self, k: int = 3) -> dict[str, Tensor]:
        """Agreement of each pair of methods that worked.

        Args:
            k: How many of the strongest players ``"overlap"`` looks at.

        Returns:
            ``"rank"`` (Spearman), ``"linear"`` (Pearson) and ``"overlap"``, each a
            matrix ``(methods, methods)`` in the order of :attr:`values`, averaged over
            examples. NaN where a method gives all players of an example the same.
        """
        found = list(self.values.values())

        def matrix(reading: Any) -> Tensor:
            return torch.tensor([[reading(a, b) for b in found] for a in found])

        return {
            "rank": matrix(rank_correlation),
            "linear": matrix(linear_correlation),
            "overlap": matrix(lambda a, b: top_overlap(a, b, k)),
        }

    def __repr__(self) -> str:
        columns = self.columns
        head = ["method", *(column.heading for column in columns)]
        figures = {
            name: [name, *(column.written(row) for column in columns)]
            for name, row in self.rows.items()
            if row.error is None
        }
        cells = zip(head, *figures.values(), strict=True)
        widths = [max(map(len, column)) for column in cells]
        widths[0] = max(map(len, ["method", *self.rows]))

        def line(texts: list[str]) -> str:
            padded = [t.rjust(w) for t, w in zip(texts, widths, strict=True)][1:]
            return "  ".join([texts[0].ljust(widths[0]), *padded])

        body = [
            line(figures[name])
            if row.error is None
            else f"{name.ljust(widths[0])}  failed: {row.error}"
            for name, row in self.rows.items()
        ]
        notes = [f"{n}: {note}" for n, row in self.rows.items() for note in row.notes]
        return "\n".join([line(head), *body, *notes])

    def to_dict(self) -> dict[str, Any]:
        """Return everything as numbers, texts, lists and dictionaries (for JSON).

        What does not apply is ``None``.
        """

        def plain(value: Any) -> Any:
            if isinstance(value, Tensor):
                return plain(value.tolist())
            if isinstance(value, float) and not math.isfinite(value):
                return None
            if isinstance(value, Allocation):
                return value._asdict()
            if isinstance(value, list | tuple):
                return [plain(item) for item in value]
            return value

        rows = {
            name: {key: plain(value) for key, value in asdict(row).items()}
            for name, row in self.rows.items()
        }
        return {
            "players": list(self.players.names),
            "v_empty": plain(self.v_empty),
            "v_full": plain(self.v_full),
            "methods": rows,
            "agreement": {key: plain(m) for key, m in self.agreement().items()},
            "shapley": plain(self.shapley),
        }

    def plot(self, example: int = 0) -> tuple[Any, Any]:
        """Draw the attributions of one example, one panel per method.

        Args:
            example: Which example.

        Returns:
            The figure and its axes. Of images the first panel is the image itself, and
            attributions are drawn by Captum's ``visualize_image_attr``; everything else
            is drawn as bars over the players. Every panel has a scale of its own, as
            the methods differ in their units. Blue is positive, vermilion negative.
        """
        from matplotlib.figure import Figure

        found = self.values
        panels = len(found) + (self.images is not None)
        columns = min(4, max(1, panels))
        lines = max(1, -(-panels // columns))
        bar_height = 0.22 * len(self.players) + 0.8
        height = 2.6 if self.images is not None else bar_height
        figure = Figure(figsize=(3.1 * columns, height * lines), layout="constrained")
        axes = figure.subplots(
            lines, columns, squeeze=False, sharey=self.images is None
        )
        for axis in axes.flat[panels:]:
            axis.set_visible(False)
        free = list(axes.flat)
        if self.images is not None:
            self._original(free.pop(0), self.images[example])
        for axis, (name, values) in zip(free, found.items(), strict=False):
            if self.images is None:
                self._bars(axis, values[example], self.labels_of(example))
            else:
                self._heat(figure, axis, values, example)
            axis.set_title(literal(name), fontsize=9)
        return figure, axes

    def _bars(self, axis: Any, values: Tensor, names: Sequence[str]) -> None:
        colors = [sign_color(v) for v in values.tolist()]
        places = list(range(len(names)))
        axis.barh(places, values.tolist(), color=colors)
        axis.set_yticks(places, [literal(name) for name in names])
        axis.axvline(0, color="black", linewidth=0.8)
        axis.tick_params(labelsize=7)
        axis.spines[["top", "right"]].set_visible(False)
        if not axis.yaxis_inverted():
            axis.invert_yaxis()

    def _original(self, axis: Any, image: Tensor) -> None:
        axis.set_axis_off()
        axis.set_title("the image", fontsize=9)
        shown = image.detach().cpu().double()
        low, high = shown.min(), shown.max()
        shown = (shown - low) / (high - low).clamp_min(1e-12)
        axis.imshow(shown.permute(1, 2, 0).squeeze(-1).numpy(), cmap="gray")

    def _heat(self, figure: Any, axis: Any, values: Tensor, example: int) -> None:
        from captum.attr import visualization

        spread = self.players.scatter(values.to(self.players.masks[0].device))[0]
        attributions = spread[example].permute(1, 2, 0).cpu().numpy()
        axis.set_axis_off()
        if not attributions.any():
            return
        with warnings.catch_warnings():
            # Captum's: small attributions are as good as large ones here.
            warnings.filterwarnings("ignore", "Attempting to normalize by value")
            visualization.visualize_image_attr(
                attributions,
                method="heat_map",
                sign="all",
                cmap=diverging(),
                outlier_perc=1,
                plt_fig_axis=(figure, axis),
                use_pyplot=False,
            )

    def to_html(
        self,
        title: str = "Attributions side by side",
        examples: Sequence[int] | None = None,
    ) -> str:
        """Return one page that opens without a network.

        It holds the table, which can be sorted, agreement, deletion and insertion
        curves, the attributions of single examples, and what to keep in mind.

        Args:
            title: Title of the page.
            examples: Which examples are shown; ``None`` for the first three.

        Raises:
            ValueError: If there is no such example.
        """
        size = len(self.v_full)
        chosen = list(range(min(3, size))) if examples is None else list(examples)
        if any(not 0 <= example < size for example in chosen):
            bad_value(
                "examples", f"indices in 0..{size - 1}", chosen, "examples count from 0"
            )
        return render(self, title, chosen)
