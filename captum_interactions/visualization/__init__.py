"""Pictures of interactions. Functions return (figure, axes) and never show anything.

Blue adds to the output (or works together), vermilion takes away (or works against each
other), in every picture; the two differ to color-blind readers. Captum's
``visualize_image_attr`` paints over images. Matplotlib is imported when a picture is
drawn. Figures don't go through pyplot, so that nothing is registered there; in a
notebook, say ``%matplotlib inline`` and leave the figure as the last expression.
"""

from captum_interactions.visualization.and_or import (
    plot_order_strength,
    plot_sorted_interactions,
    plot_strongest,
)
from captum_interactions.visualization.graph import plot_and_or_graph
from captum_interactions.visualization.images import (
    plot_coalitions_on_image,
    plot_pairs_on_image,
)
from captum_interactions.visualization.network import plot_network
from captum_interactions.visualization.orders import plot_orders
from captum_interactions.visualization.pairs import plot_pairs
from captum_interactions.visualization.text import plot_coalitions_on_text
from captum_interactions.visualization.tree import plot_tree

__all__ = [
    "plot_and_or_graph",
    "plot_coalitions_on_image",
    "plot_coalitions_on_text",
    "plot_network",
    "plot_order_strength",
    "plot_orders",
    "plot_pairs",
    "plot_pairs_on_image",
    "plot_sorted_interactions",
    "plot_strongest",
    "plot_tree",
]
