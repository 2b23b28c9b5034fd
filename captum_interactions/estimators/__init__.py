"""Which coalitions to evaluate when 2^n is too many, and what their values imply.

Nothing here knows a model: plans are masks, estimates are functions of values.
"""

from captum_interactions.estimators.marginals import (
    MarginalPlan,
    bernoulli_marginals,
    permutation_marginals,
)

__all__ = ["MarginalPlan", "bernoulli_marginals", "permutation_marginals"]
