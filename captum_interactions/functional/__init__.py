"""Pure tensor algebra on set functions: it has a formula and no model.

Tables hold v(S) of all 2**n coalitions along the last axis; bit i of the index is
player i. Everything is linear in the table, differentiable, and batched over any
leading axes.
"""

from captum_interactions.functional.and_or import (
    and_from_or,
    or_interactions,
    or_reconstruction,
)
from captum_interactions.functional.and_or_split import AndOrSplit, and_or_split
from captum_interactions.functional.baseline_losses import (
    l1_interaction_loss,
    marginal_loss,
    marginal_strength,
    shapley_loss,
    shapley_strength,
)
from captum_interactions.functional.coalitions import (
    all_masks,
    coalition_code,
    coalition_members,
    coalition_sizes,
    codes_to_masks,
    masks_to_codes,
)
from captum_interactions.functional.merge_plan import MergeFigures
from captum_interactions.functional.moebius import (
    moebius,
    zeta,
)
from captum_interactions.functional.multi_order import (
    multi_order_interaction,
    multi_order_shapley,
    order_utility,
    size_means,
)
from captum_interactions.functional.multi_order_terms import (
    multi_order_interaction_from_and,
    multi_order_interaction_from_or,
    multi_order_interaction_from_terms,
    multi_order_shapley_from_terms,
)
from captum_interactions.functional.multivariate import (
    elementary_components,
    multivariate_interaction,
    partition_interaction,
)
from captum_interactions.functional.orders import (
    disentanglement_ratios,
    mean_absolute_deltas,
    null_strength,
    order_strength,
    positive_ratio,
)
from captum_interactions.functional.pairs import upper_pairs
from captum_interactions.functional.partitions import (
    PartitionOptimum,
    best_run_partition,
    best_set_partition,
)
from captum_interactions.functional.set_indices import (
    and_from_walsh,
    conditional_and_interaction,
    leave_one_out,
    set_index_from_and,
    shapley_taylor,
    walsh_coefficients,
)
from captum_interactions.functional.shapley import (
    banzhaf_values,
    pair_index,
    pair_index_from_and,
    shapley_interaction_index,
    shapley_values,
    shapley_values_from_and,
)
from captum_interactions.functional.sparsity import (
    explained_ratio,
    net_explained_ratio,
    noise_floor,
    r_squared,
    salient_interactions,
    terms_for_share,
)
from captum_interactions.functional.tree import merge_figures
from captum_interactions.functional.truncated import (
    small_coalitions,
    truncated_moebius,
)

__all__ = [
    "all_masks",
    "codes_to_masks",
    "masks_to_codes",
    "coalition_sizes",
    "coalition_code",
    "coalition_members",
    "moebius",
    "zeta",
    "or_interactions",
    "or_reconstruction",
    "and_or_split",
    "AndOrSplit",
    "and_from_or",
    "small_coalitions",
    "truncated_moebius",
    "explained_ratio",
    "net_explained_ratio",
    "r_squared",
    "terms_for_share",
    "noise_floor",
    "salient_interactions",
    "shapley_values",
    "shapley_values_from_and",
    "banzhaf_values",
    "shapley_interaction_index",
    "pair_index",
    "pair_index_from_and",
    "shapley_taylor",
    "set_index_from_and",
    "conditional_and_interaction",
    "leave_one_out",
    "walsh_coefficients",
    "and_from_walsh",
    "elementary_components",
    "multivariate_interaction",
    "partition_interaction",
    "PartitionOptimum",
    "best_run_partition",
    "best_set_partition",
    "MergeFigures",
    "merge_figures",
    "multi_order_interaction",
    "multi_order_interaction_from_and",
    "multi_order_interaction_from_or",
    "multi_order_interaction_from_terms",
    "multi_order_shapley",
    "multi_order_shapley_from_terms",
    "order_utility",
    "size_means",
    "upper_pairs",
    "mean_absolute_deltas",
    "order_strength",
    "null_strength",
    "positive_ratio",
    "disentanglement_ratios",
    "shapley_strength",
    "marginal_strength",
    "shapley_loss",
    "marginal_loss",
    "l1_interaction_loss",
]
