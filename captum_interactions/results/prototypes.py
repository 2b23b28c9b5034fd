"""Why was this wrong? The coalitions of words that pushed each way.

Explain the score of the class that was predicted. The blocks of the partition at B_max
that contribute positively are prototypes towards the prediction; the blocks of the
partition at B_min that contribute negatively speak against it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from colorsys import rgb_to_hls
from html import escape
from typing import Any, NamedTuple

import torch
from captum.attr import visualization

from captum_interactions._checks import bad_value
from captum_interactions._signature import checked
from captum_interactions.results.multivariate import (
    Block,
    MultivariateInteractionResult,
)
from captum_interactions.visualization import NEGATIVE, POSITIVE

__all__ = ["Prototypes", "prototypes", "prototype_records", "visualize_prototypes"]


class Prototypes(NamedTuple):
    """The coalitions that pushed towards a prediction, and those against it.

    Attributes:
        towards: Blocks of the partition at B_max with positive values, largest first.
        against: Blocks of the partition at B_min with negative values, smallest first.
    """

    towards: tuple[Block, ...]
    against: tuple[Block, ...]


@checked
def prototypes(
    result: MultivariateInteractionResult,
    example: int = 0,
    output: tuple[int, ...] = (),
) -> Prototypes:
    """The coalitions that pushed each way.

    Args:
        result: Of a :class:`MultivariateInteraction` whose target is the predicted
            class, and whose coalition is the sentence.
        example: Which example.
        output: Which output, if there are several.

    Returns:
        The blocks that push towards the target and away from it.

    Raises:
        ValueError: If there is no such example or output.

    Example:
        >>> from captum_interactions import MultivariateInteraction
        >>> model = lambda x: x[:, 0] * x[:, 1] - x[:, 2] * x[:, 3]
        >>> result = MultivariateInteraction(model).interactions(torch.ones(1, 4))
        >>> prototypes(result)
        Prototypes(towards=([0 1] +1 (inside +1),), against=([2 3] -1 (inside -1),))
    """
    towards = (b for b in result.max_partition(example, output) if b.value > 0)
    against = (b for b in result.min_partition(example, output) if b.value < 0)
    return Prototypes(
        tuple(sorted(towards, key=lambda block: -block.value)),
        tuple(sorted(against, key=lambda block: block.value)),
    )


@checked
def prototype_records(
    result: MultivariateInteractionResult,
    words: Sequence[str],
    predicted: str,
    true: str,
    probability: float,
    example: int = 0,
    output: tuple[int, ...] = (),
) -> list[visualization.VisualizationDataRecord]:
    """Captum's records of the two partitions, ready for ``visualize_text``.

    Args:
        result: As in :func:`prototypes`.
        words: The text of each player.
        predicted: Name of the predicted class, the one that is explained.
        true: Name of the true class.
        probability: Probability of the predicted class.
        example: Which example.
        output: Which output, if there are several.

    Returns:
        Two records: the partition at B_max, whose attribution label is the predicted
        class, and the one at B_min, labeled with the true class. Each block is one
        piece of text, shaded by its value (Captum paints green towards the prediction
        and red against it; :func:`visualize_prototypes` paints blue and vermilion,
        which differ to color-blind readers). The score is the sum over the blocks of
        that color.

    Raises:
        ValueError: If there is no such example or output, or not one word per player.
    """
    partitions = (
        result.max_partition(example, output),
        result.min_partition(example, output),
    )
    last = max(result.coalition)
    if not last < len(words) <= len(result.players):
        bad_value(
            "words",
            f"{len(result.players)} texts, one per player",
            len(words),
            "pass the words in the order of the players",
        )
    largest = max(abs(block.value) for blocks in partitions for block in blocks) or 1.0
    records = []
    for blocks, label, sign in zip(partitions, (predicted, true), (1, -1), strict=True):
        pushes = [block.value for block in blocks if block.value * sign > 0]
        texts = [" ".join(words[player] for player in b.players) for b in blocks]
        records.append(
            visualization.VisualizationDataRecord(
                word_attributions=torch.tensor([b.value / largest for b in blocks]),
                pred_prob=probability,
                pred_class=predicted,
                true_class=true,
                attr_class=label,
                attr_score=sum(pushes),
                raw_input_ids=[escape(text) for text in texts],
                convergence_score=0.0,
            )
        )
    return records


@checked
def visualize_prototypes(
    result: MultivariateInteractionResult,
    words: Sequence[str],
    predicted: str,
    true: str,
    probability: float,
    example: int = 0,
    output: tuple[int, ...] = (),
) -> Any:
    """Show the two partitions as colored text in a notebook.

    Blue pushes towards the prediction, vermilion against it.

    Arguments are those of :func:`prototype_records`.

    Returns:
        Captum's HTML object in our colors, which is also displayed.
    """
    from IPython.display import HTML, display
    from IPython.utils.capture import capture_output

    records = prototype_records(
        result, words, predicted, true, probability, example, output
    )
    with capture_output():  # Captum displays it in its own colors.
        page = visualization.visualize_text(records)
    recolored = HTML(_recolored(page.data))
    display(recolored)
    return recolored


def _recolored(page: str) -> str:
    """Captum's green and red become the palette's hues, as light as they were."""
    hues = {"120": _hue(POSITIVE), "0": _hue(NEGATIVE)}
    return re.sub(
        r"(background-color:\s*hsl\()(120|0),",
        lambda found: f"{found[1]}{hues[found[2]]},",
        page,
    )


def _hue(color: str) -> int:
    """The hue of a color in degrees, as style sheets count them."""
    channels = (int(color[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return round(360 * rgb_to_hls(*channels)[0])
