"""What methods return: data, readings, error bars, files, pictures."""

from captum_interactions.results._pages import report
from captum_interactions.results.and_interaction import AndInteractionResult
from captum_interactions.results.and_or import AndOrInteractionResult, AndOrTerm
from captum_interactions.results.base import (
    Interaction,
    InteractionResult,
    ResultInfo,
    load,
)
from captum_interactions.results.dataset import ExplainedDataset
from captum_interactions.results.estimated import EstimatedResult
from captum_interactions.results.listed import ListedInteractionResult
from captum_interactions.results.llm import LLMInteractionResult
from captum_interactions.results.multi_order import MultiOrderInteractionResult
from captum_interactions.results.multivariate import (
    Block,
    MultivariateInteractionResult,
)
from captum_interactions.results.prototypes import (
    Prototypes,
    prototype_records,
    prototypes,
    visualize_prototypes,
)
from captum_interactions.results.shapley import ShapleyInteractionResult
from captum_interactions.results.shapley_taylor import (
    ShapleyTaylorInteractionResult,
)
from captum_interactions.results.sparse import SparseInteractionResult
from captum_interactions.results.tree import InteractionNode, InteractionTreeResult

__all__ = [
    "Interaction",
    "InteractionResult",
    "EstimatedResult",
    "ResultInfo",
    "load",
    "report",
    "AndInteractionResult",
    "AndOrInteractionResult",
    "AndOrTerm",
    "ShapleyInteractionResult",
    "ShapleyTaylorInteractionResult",
    "MultiOrderInteractionResult",
    "MultivariateInteractionResult",
    "Block",
    "InteractionTreeResult",
    "InteractionNode",
    "SparseInteractionResult",
    "ListedInteractionResult",
    "LLMInteractionResult",
    "ExplainedDataset",
    "Prototypes",
    "prototypes",
    "prototype_records",
    "visualize_prototypes",
]
