"""What a comparison of attributions shows: a table, a picture, a page."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from torch import Tensor

from captum_interactions._checks import bad_value
from captum_interactions._signature import checked_methods
from captum_interactions.comparison.allocation import Allocation
from captum_interactions.comparison.compared import ComparedMethods
from captum_interactions.comparison.page import render
from captum_interactions.visualization import diverging, literal, sign_color

__all__ = ["AttributionComparison"]


@checked_methods
@dataclass(frozen=True, eq=False, repr=False)
class AttributionComparison(ComparedMethods):
    """Attribution methods side by side; printing it shows the table.

    Attributes:
        rows: One row per method, in the order given.
        players: The players that attributions were summed over.
        v_empty: v(∅) of every example, ``(batch,)``.
        v_full: v(N) of every example, ``(batch,)``.
        shapley: Shapley values, ``(batch, n)``, or ``None`` for too many players.
        shapley_error: Their standard errors; ``None`` where they are exact.
        noise: Standard deviation of the noise of v, ``(batch,)``.
        n_samples: Coalitions that they were estimated from; ``None`` for all.
        images: The inputs if they are images, for :meth:`plot`.
        text: Whether the inputs are token ids, for :meth:`to_html`.
        labels: Names of the players of every example.
    """

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
        return "\n".join([line(head), *body, *notes, *self.remarks])

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
            "pair_agreement": {
                key: plain(m) for key, m in self.pair_agreement().items()
            },
            "shapley": plain(self.shapley),
            "shapley_error": plain(self.shapley_error),
            "noise": plain(self.noise),
            "n_samples": self.n_samples,
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

        if not -len(self.v_full) <= example < len(self.v_full):
            bad_value("example", f"below {len(self.v_full)}", example, "see v_full")
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
