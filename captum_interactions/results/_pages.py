"""``to_html`` and the small form in notebooks: what a page says of a result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from torch import Tensor

from captum_interactions._checks import bad_value, check_example, check_positive_int
from captum_interactions._signature import checked_methods
from captum_interactions.report import Explanation, explanation_page, small_form
from captum_interactions.results._core import ResultCore
from captum_interactions.results._noise import decade, untold

if TYPE_CHECKING:
    from captum_interactions.results.base import InteractionResult

__all__ = ["Pages", "report"]

_GUIDE = (
    "v(S) is the explained output when the players of S are as in the input and all "
    "others as in the baselines. Other baselines give other values.",
    "An interaction is what its players do together beyond what they do in parts; "
    "players that add their effects have none.",
    "The Shapley values add up to v(N) less v(∅).",
)
_DENSE = (
    "The listed terms leave {left:.0%} of v(N) less v(∅) to others: the game is dense, "
    "so read pairs, Shapley values or a tree rather than single coalitions."
)
# Pairs of which a page draws the orders.
_CURVES = 6
# From here on a list of terms misleads: a quarter of the output is in none of them.
_DENSE_FROM = 0.25


@checked_methods
class Pages(ResultCore):
    """A result as a page."""

    def to_html(
        self,
        title: str | None = None,
        examples: Sequence[int] | None = None,
        output: tuple[int, ...] = (),
        image: Tensor | None = None,
        names: Sequence[str] | None = None,
        k: int = 40,
        position: int = 0,
    ) -> str:
        """Return one page that explains, and opens without a network.

        It holds the input, Shapley values, the strongest interactions and pairs (whose
        players light up when pointed at), a slider that rebuilds v(N) term by term,
        orders or a tree where the result has them, and how to read it.

        Args:
            title: Title of the page; ``None`` names the class of the result.
            examples: Which examples; ``None`` for the first three.
            output: Which output, if there are several.
            image: The image that was explained, ``(channels, height, width)``, or all
                of them with a batch axis first; ``None`` shows the players as words.
            names: What to write for each player; ``None`` for their names.
            k: How many interactions are listed.
            position: Which of the inputs is the image, if they were a tuple.

        Returns:
            The page. Write it to a file as UTF-8.

        Raises:
            ValueError: If there is no such example or output, k is not positive, there
                is not one name per player, or the image is not theirs.
        """
        chosen = range(min(3, len(self.info.v_full))) if examples is None else examples
        shown = [
            self._explanation(i, output, image, names, k, position) for i in chosen
        ]
        if not shown:
            bad_value("examples", "at least one example", "none", "choose one")
        return explanation_page(title or _words_of(type(self).__name__), shown)

    def _repr_html_(self) -> str:
        """The first example in a few lines, for a notebook."""
        lead = self.info.v_full.shape
        if 0 in lead:
            return ""
        output = (0,) * (len(lead) - 1)
        with untold():
            one = self._explanation(0, output, None, None, 6, 0, brief=True)
        return small_form(one)

    def _explanation(
        self,
        example: int,
        output: tuple[int, ...],
        image: Tensor | None,
        names: Sequence[str] | None,
        k: int,
        position: int,
        brief: bool = False,
    ) -> Explanation:
        """Read everything that a page shows of one example."""
        check_positive_int("k", k, "ask for at least one interaction")
        index = check_example(self.info.v_full.shape, example, output)
        named = self if names is None else self.named(self._labels(names))
        start, end = (float(v[index]) for v in (self.info.v_empty, self.info.v_full))
        place = f"example {example}" + (f", output {output}" if output else "")
        data: dict[str, Any] = {
            "title": f"{_words_of(type(self).__name__)}: {place}",
            "facts": self._facts(index, start, end),
            "names": named.players.names,
            "values": [],
            "errors": None,
            "start": start,
            "end": end,
            "steps": [],
            "terms": named._strongest(k, example, output),
        }
        if brief:
            return Explanation(**data)
        data |= named._singles_for(example, output)
        data["steps"] = _or_none(lambda: named._steps(k, example, output)) or []
        data |= named._more_for(example, output, image, position)
        data["reading"] = _guide(data)
        return Explanation(**data)

    def _facts(
        self, index: tuple[int, ...], start: float, end: float
    ) -> list[tuple[str, str]]:
        facts = [
            ("players", str(len(self.players))),
            ("coalitions evaluated", f"{self.n_evaluations:,}"),
            ("v(∅)", f"{start:.4g}"),
            ("v(N)", f"{end:.4g}"),
        ]
        r2 = _or_none(lambda: getattr(self, "r2", None))
        if isinstance(r2, Tensor) and r2.shape == self.info.v_full.shape:
            facts.append(("R² of held-out coalitions", f"{float(r2[index]):.3g}"))
        facts.append(("noise floor below", decade(self._rounding()[index])))
        return facts

    def _singles_for(self, example: int, output: tuple[int, ...]) -> dict[str, Any]:
        values = _or_none(lambda: self._singles(example, output))
        if values is None:
            return {}
        read = getattr(self, "shapley_error", lambda: None)
        errors = _or_none(read)
        return {
            "values": values.detach().cpu().double().tolist(),
            "errors": None
            if errors is None
            else self._pick(errors, example, output).detach().cpu().double().tolist(),
        }

    def _more_for(
        self,
        example: int,
        output: tuple[int, ...],
        image: Tensor | None,
        position: int,
    ) -> dict[str, Any]:
        """Pairs, orders, tree and image, where there are any."""
        found: dict[str, Any] = {}
        pairs = getattr(self, "_strongest_pairs", None)
        if pairs is not None:
            found["pairs"] = _or_none(lambda: pairs(200, example, output)) or []
        strength = getattr(self, "_order_strength", None)
        if strength is not None:
            found["orders"] = _or_none(lambda: strength(example, output))
            curves = self._pair_orders  # type: ignore[attr-defined]
            found["pair_orders"] = (
                _or_none(lambda: curves(_CURVES, example, output)) or ()
            )
        to_dict = getattr(self, "to_dict", None)
        if to_dict is not None:
            found["tree"] = to_dict(example, output)
        if image is not None:
            one = image[example] if image.dim() == 4 else image
            mask = self._feature_mask(example, position)
            if one.dim() != 3 or mask.dim() < 2 or mask.shape[-2:] != one.shape[-2:]:
                bad_value(
                    "image",
                    f"the one that was explained, of shape {tuple(mask.shape)}",
                    f"shape {tuple(one.shape)}",
                    "pass the input, or choose `position`",
                )
            found["image"] = (
                one if one.shape[0] in (1, 3) else one.mean(0, keepdim=True)
            )
            found["mask"] = mask if mask.dim() == 2 else mask[0]
        return found


def report(
    results: Mapping[str, InteractionResult],
    title: str = "Explanations",
    example: int = 0,
    output: tuple[int, ...] = (),
    image: Tensor | None = None,
) -> str:
    """Return one page with several results, one below the other.

    Args:
        results: The results by name.
        title: Title of the page.
        example: Which example.
        output: Which output, if there are several.
        image: The image that was explained, as for ``to_html``.

    Returns:
        The page. Write it to a file as UTF-8.

    Raises:
        ValueError: If there is no result, or as ``to_html``.

    Example:
        >>> import torch
        >>> from captum_interactions import AndInteraction, ShapleyInteraction
        >>> model, x = lambda x: x.prod(1), torch.ones(1, 3)
        >>> methods = {"AND": AndInteraction(model), "pairs": ShapleyInteraction(model)}
        >>> page = report({k: m.interactions(x) for k, m in methods.items()})
        >>> page.count("<h2>")
        2
    """
    if not results:
        bad_value("results", "at least one result by name", "none", "name one")
    shown = []
    for name, result in results.items():
        one = result._explanation(example, output, image, None, 40, 0)
        shown.append(Explanation(**{**vars(one), "title": str(name)}))
    return explanation_page(title, shown)


def _guide(data: Mapping[str, Any]) -> list[str]:
    """How to read this page, and what it can't show."""
    lines = list(_GUIDE)
    if data["errors"] is not None:
        lines.append("± is one standard error of what was sampled.")
    gap = data["end"] - data["start"]
    left = gap - sum(term.value for term in data["steps"])
    if data["steps"] and abs(left) > _DENSE_FROM * abs(gap) > 0:
        lines.append(_DENSE.format(left=abs(left / gap)))
    return lines


def _or_none(read: Any) -> Any:
    """What is read, or None where the result has no such reading."""
    try:
        return read()
    except ValueError:
        return None


def _words_of(name: str) -> str:
    """``AndInteractionResult`` as ``And interaction``."""
    spaced = "".join(f" {c.lower()}" if c.isupper() else c for c in name)
    return spaced.removesuffix(" result").strip().capitalize()
