"""What stands for "absent": fixed values, samples of data, learned values."""

from captum_interactions.baselines.comparison import (
    BaselineComparison,
    compare_baselines,
)
from captum_interactions.baselines.fixed import (
    blurred_image,
    constant_token,
    data_mean,
    data_median,
    data_sample,
    nearest_tokens,
    zero_baseline,
)
from captum_interactions.baselines.order_profile import OrderProfile
from captum_interactions.games import BaselineSet

__all__ = [
    "BaselineSet",
    "zero_baseline",
    "data_mean",
    "data_median",
    "blurred_image",
    "constant_token",
    "data_sample",
    "nearest_tokens",
    "OrderProfile",
    "BaselineComparison",
    "compare_baselines",
]
