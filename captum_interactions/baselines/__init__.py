"""What stands for "absent": fixed values, samples of data, learned values."""

from captum_interactions.baselines.comparison import (
    BaselineComparison,
    compare_baselines,
)
from captum_interactions.baselines.fixed import (
    constant_token,
    data_mean,
    data_median,
    data_sample,
    nearest_tokens,
    zero_baseline,
)
from captum_interactions.baselines.images import (
    FilledIn,
    blurred_image,
    fill_from_neighbors,
    mean_color,
    shuffled_patches,
)
from captum_interactions.baselines.learned import LearnedBaselines, learn_baselines
from captum_interactions.baselines.order_profile import OrderProfile
from captum_interactions.games import BaselineSet

__all__ = [
    "BaselineSet",
    "zero_baseline",
    "data_mean",
    "data_median",
    "mean_color",
    "blurred_image",
    "shuffled_patches",
    "fill_from_neighbors",
    "FilledIn",
    "constant_token",
    "data_sample",
    "nearest_tokens",
    "learn_baselines",
    "LearnedBaselines",
    "OrderProfile",
    "BaselineComparison",
    "compare_baselines",
]
