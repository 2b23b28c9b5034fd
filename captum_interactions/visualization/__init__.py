"""Pictures of interactions, drawn from arrays and names.

A result draws itself: ``result.plot_pairs()`` and its other ``plot_…`` methods call
these functions with what it holds. Functions return (figure, axes) and never show
anything.

Blue adds to the output (or works together), vermilion takes away (or works against each
other), in every picture; the two differ to color-blind readers. Matplotlib is imported
when a picture is drawn. Figures don't go through pyplot, so that nothing is registered
there; in a notebook, say ``%matplotlib inline`` and leave the figure as the last
expression.

Attributes:
    POSITIVE: The blue.
    NEGATIVE: The vermilion.
"""

from captum_interactions.visualization._bars import (
    plot_size_strength,
    plot_strongest,
    plot_waterfall,
)
from captum_interactions.visualization._graph import plot_and_or_graph
from captum_interactions.visualization._images import (
    plot_coalitions_on_image,
    plot_pairs_on_image,
)
from captum_interactions.visualization._network import plot_network
from captum_interactions.visualization._orders import plot_orders
from captum_interactions.visualization._pairs import plot_pairs
from captum_interactions.visualization._prompt import plot_prompt, plot_response_tokens
from captum_interactions.visualization._prompt_html import prompt_html
from captum_interactions.visualization._sorted import plot_sorted_interactions
from captum_interactions.visualization._style import (
    NEGATIVE,
    POSITIVE,
    diverging,
    literal,
    sign_color,
)
from captum_interactions.visualization._summary import plot_summary
from captum_interactions.visualization._text import plot_coalitions_on_text
from captum_interactions.visualization._tree import plot_tree

__all__ = [
    "NEGATIVE",
    "POSITIVE",
    "diverging",
    "literal",
    "plot_and_or_graph",
    "plot_coalitions_on_image",
    "plot_coalitions_on_text",
    "plot_network",
    "plot_orders",
    "plot_pairs",
    "plot_pairs_on_image",
    "plot_prompt",
    "plot_response_tokens",
    "plot_size_strength",
    "plot_sorted_interactions",
    "plot_strongest",
    "plot_summary",
    "plot_tree",
    "plot_waterfall",
    "prompt_html",
    "sign_color",
]
