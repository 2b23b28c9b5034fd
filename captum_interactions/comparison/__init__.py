"""Several attribution methods on the same examples, side by side."""

from captum_interactions.comparison.compare import compare_attributions
from captum_interactions.comparison.result import AttributionComparison
from captum_interactions.comparison.row import MethodRow

__all__ = ["AttributionComparison", "MethodRow", "compare_attributions"]
