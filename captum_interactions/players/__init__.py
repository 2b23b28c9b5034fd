"""Who plays: which input elements, cells, words or segments are one player."""

from captum_interactions.players.graphs import edge_mask
from captum_interactions.players.grids import grid_mask
from captum_interactions.players.pairs import grid_pairs, neighbor_pairs, random_pairs
from captum_interactions.players.players import Players
from captum_interactions.players.prompt import PromptPiece, PromptPlayers
from captum_interactions.players.series import window_mask
from captum_interactions.players.superpixels import superpixel_neighbors, superpixels
from captum_interactions.players.tables import (
    TablePlayers,
    column_mask,
    table_players,
)
from captum_interactions.players.text import TextPlayers, text_players

__all__ = [
    "Players",
    "TextPlayers",
    "text_players",
    "PromptPlayers",
    "PromptPiece",
    "grid_mask",
    "superpixels",
    "superpixel_neighbors",
    "window_mask",
    "column_mask",
    "table_players",
    "TablePlayers",
    "edge_mask",
    "grid_pairs",
    "neighbor_pairs",
    "random_pairs",
]
