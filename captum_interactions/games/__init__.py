"""From a model to v(S): players, masked inputs, value functions, evaluation."""

from captum_interactions.games.baselines import (
    blurred_image,
    constant_token,
    data_mean,
    data_median,
    data_sample,
    nearest_tokens,
    zero_baseline,
)
from captum_interactions.games.game import ModelGame
from captum_interactions.games.grids import grid_mask, grid_pairs
from captum_interactions.games.layers import (
    SplitForward,
    evaluation_mode,
    module_name,
    split_at_layer,
)
from captum_interactions.games.masking import BaselineSet
from captum_interactions.games.players import Players
from captum_interactions.games.table_game import Game, TableGame
from captum_interactions.games.text import TextPlayers, text_players
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
    "Players",
    "BaselineSet",
    "zero_baseline",
    "data_mean",
    "data_median",
    "blurred_image",
    "constant_token",
    "data_sample",
    "nearest_tokens",
    "TextPlayers",
    "text_players",
    "ValueFunction",
    "logit",
    "log_odds",
    "log_prob",
    "prob",
    "margin",
    "SplitForward",
    "split_at_layer",
    "module_name",
    "evaluation_mode",
    "grid_mask",
    "grid_pairs",
]
