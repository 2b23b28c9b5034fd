"""From a model to v(S): masked inputs, value functions, evaluation."""

from captum_interactions.games.base import Game
from captum_interactions.games.dropped_tokens import DroppedTokens, drop_tokens
from captum_interactions.games.evaluation import evaluation
from captum_interactions.games.game import ModelGame
from captum_interactions.games.graphs import GraphForward, graph_model
from captum_interactions.games.hugging_face import HuggingFaceModel, hf
from captum_interactions.games.layers import (
    SplitForward,
    evaluation_mode,
    module_name,
    split_at_layer,
)
from captum_interactions.games.masking import BaselineSet
from captum_interactions.games.prompt_game import (
    PromptCost,
    PromptGame,
    PromptOutput,
)
from captum_interactions.games.providers import (
    CaptumProvider,
    HTTPProvider,
    LocalProvider,
    Provider,
)
from captum_interactions.games.store import (
    StoreEntry,
    StoreInfo,
    prune_store,
    store_info,
)
from captum_interactions.games.table_game import TableGame
from captum_interactions.games.text_game import TextGame, evaluate_together
from captum_interactions.games.value_functions import (
    ValueFunction,
    log_odds,
    log_prob,
    logit,
    margin,
    prob,
)

__all__ = [
    "Game",
    "ModelGame",
    "TableGame",
    "PromptGame",
    "PromptOutput",
    "PromptCost",
    "TextGame",
    "evaluate_together",
    "BaselineSet",
    "ValueFunction",
    "HuggingFaceModel",
    "hf",
    "DroppedTokens",
    "drop_tokens",
    "GraphForward",
    "graph_model",
    "logit",
    "log_odds",
    "log_prob",
    "prob",
    "margin",
    "Provider",
    "LocalProvider",
    "HTTPProvider",
    "CaptumProvider",
    "evaluation",
    "store_info",
    "prune_store",
    "StoreInfo",
    "StoreEntry",
    "SplitForward",
    "split_at_layer",
    "module_name",
    "evaluation_mode",
]
