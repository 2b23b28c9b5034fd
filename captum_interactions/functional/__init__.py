"""Pure tensor algebra on set functions: it has a formula and no model.

Tables hold v(S) of all 2**n coalitions along the last axis; bit i of the index is
player i. Everything is linear in the table, differentiable, and batched over any
leading axes.
"""

from captum_interactions.functional.and_or import (
    merge_singletons,
    or_interactions,
    or_reconstruction,
)
from captum_interactions.functional.and_or_split import AndOrSplit, and_or_split
from captum_interactions.functional.coalitions import (
    all_masks,
    coalition_code,
    coalition_members,
    coalition_sizes,
    codes_to_masks,
    masks_to_codes,
    n_players,
    relabel_players,
)
from captum_interactions.functional.moebius import (
    moebius,
    superset_moebius,
    superset_zeta,
    zeta,
)
from captum_interactions.functional.or_indices import (
    and_from_or,
    banzhaf_values_from_or,
    leave_one_out_from_or,
    multi_order_interaction_from_or,
    or_from_and,
    order_shapley_values_from_or,
    set_index_from_or,
    shapley_values_from_or,
)
from captum_interactions.functional.shapley import (
    and_from_walsh,
    banzhaf_interaction_index,
    banzhaf_values,
    banzhaf_values_from_and,
    conditional_and_interaction,
    k_sii,
    leave_one_out,
    pair_index_from_and,
    set_index_from_and,
    shapley_interaction_index,
    shapley_taylor_index,
    shapley_values,
    shapley_values_from_and,
    walsh_coefficients,
)
from captum_interactions.functional.sparsity import (
    explained_ratio,
    net_explained_ratio,
    noise_floor,
    r_squared,
    salient_interactions,
    signed_order_strength,
    terms_for_share,
)
from captum_interactions.functional.sums import (
    pair_sums,
    player_sums,
    weight_by_size,
)
from captum_interactions.functional.truncated import (
    n_small_coalitions,
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
    "n_players",
    "relabel_players",
    "moebius",
    "zeta",
    "superset_moebius",
    "superset_zeta",
    "or_interactions",
    "or_reconstruction",
    "merge_singletons",
    "and_or_split",
    "AndOrSplit",
    "and_from_or",
    "or_from_and",
    "shapley_values_from_or",
    "banzhaf_values_from_or",
    "leave_one_out_from_or",
    "order_shapley_values_from_or",
    "multi_order_interaction_from_or",
    "set_index_from_or",
    "n_small_coalitions",
    "small_coalitions",
    "truncated_moebius",
    "explained_ratio",
    "net_explained_ratio",
    "r_squared",
    "terms_for_share",
    "signed_order_strength",
    "noise_floor",
    "salient_interactions",
    "shapley_values",
    "shapley_values_from_and",
    "banzhaf_values",
    "banzhaf_values_from_and",
    "shapley_interaction_index",
    "banzhaf_interaction_index",
    "shapley_taylor_index",
    "k_sii",
    "pair_index_from_and",
    "set_index_from_and",
    "conditional_and_interaction",
    "leave_one_out",
    "walsh_coefficients",
    "and_from_walsh",
    "player_sums",
    "pair_sums",
    "weight_by_size",
]
