"""Pure tensor algebra on set functions: it has a formula and no model.

Tables hold v(S) of all 2**n coalitions along the last axis; bit i of the index is
player i. Everything is linear in the table, differentiable, and batched over any
leading axes.
"""

from captum_interactions.functional.and_or import or_interactions, or_reconstruction
from captum_interactions.functional.baseline_losses import (
    l1_interaction_loss,
    marginal_loss,
    marginal_strength,
    sampled_marginal_strength,
    sampled_shapley_strength,
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
    n_players,
    relabel_players,
)
from captum_interactions.functional.moebius import (
    moebius,
    superset_moebius,
    superset_zeta,
    zeta,
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
from captum_interactions.functional.sums import (
    pair_sums,
    player_sums,
    weight_by_size,
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
    "shapley_strength",
    "marginal_strength",
    "shapley_loss",
    "marginal_loss",
    "l1_interaction_loss",
    "sampled_shapley_strength",
    "sampled_marginal_strength",
    "player_sums",
    "pair_sums",
    "weight_by_size",
]
