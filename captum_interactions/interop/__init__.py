"""Our games, results and methods in other libraries, imported when they are used."""

from captum_interactions.interop.explain_func import ExplainFunc, quantus_explain_func
from captum_interactions.interop.ray_data import ExplainBatches
from captum_interactions.interop.shapiq_game import to_shapiq_game
from captum_interactions.interop.sparse import sparse_and_interactions

__all__ = [
    "ExplainBatches",
    "ExplainFunc",
    "quantus_explain_func",
    "sparse_and_interactions",
    "to_shapiq_game",
]
