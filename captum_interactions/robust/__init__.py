"""Perturbed inputs: attacks, and the interactions between their units."""

from captum_interactions.robust.analysis import (
    CutoutCurve,
    LeaveOneOutStatistics,
    UtilityByOrder,
    cutout_expectation,
    leave_one_out_statistics,
    utility_by_order,
)
from captum_interactions.robust.attack import TransferAttack
from captum_interactions.robust.game import (
    mean_interaction,
    perturbation_game,
    perturbation_units,
    unit_interactions,
)
from captum_interactions.robust.part import AttackPart
from captum_interactions.robust.parts import (
    PRESETS,
    InputDiversity,
    Momentum,
    NoiseAverage,
    SkipGradient,
    TranslationInvariance,
)
from captum_interactions.robust.reduction import InteractionReduction
from captum_interactions.robust.run import AttackRun
from captum_interactions.robust.transfer import (
    LeaveOneOutSuccess,
    leave_one_out_success,
    success_by_step,
)

__all__ = [
    "TransferAttack",
    "AttackPart",
    "AttackRun",
    "Momentum",
    "NoiseAverage",
    "SkipGradient",
    "InputDiversity",
    "TranslationInvariance",
    "InteractionReduction",
    "PRESETS",
    "perturbation_game",
    "perturbation_units",
    "unit_interactions",
    "mean_interaction",
    "success_by_step",
    "leave_one_out_success",
    "LeaveOneOutSuccess",
    "cutout_expectation",
    "CutoutCurve",
    "utility_by_order",
    "UtilityByOrder",
    "leave_one_out_statistics",
    "LeaveOneOutStatistics",
]
