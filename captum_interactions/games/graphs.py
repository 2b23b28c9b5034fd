"""Graph networks as forward functions: one row is one masked copy of the graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from captum_interactions._checks import bad_type, bad_value
from captum_interactions._signature import checked

__all__ = ["GraphForward", "graph_model"]

Players = Literal["features", "nodes", "edges"]


class GraphForward(nn.Module):
    """A graph network called with rows; made by :func:`graph_model`."""

    def __init__(
        self,
        forward_func: Callable[..., Any],
        edge_index: Tensor,
        players: Players,
        edge_arguments: Mapping[str, Tensor],
        batch: str | None,
    ) -> None:
        super().__init__()
        self.forward_func = forward_func
        self.edge_index: Tensor
        self.register_buffer("edge_index", edge_index, persistent=False)
        self._players = players
        self._edge_arguments = dict(edge_arguments)
        self._batch = batch
        if isinstance(forward_func, nn.Module):
            self.training = forward_func.training

    def forward(self, first: Tensor, *args: Any) -> Tensor:
        """Evaluate rows; see :func:`graph_model` for the arguments."""
        if self._players == "features":
            features, present = first, None
        else:
            features, present, args = args[0], first.bool(), args[1:]
        if features.dim() != 3:
            bad_value(
                "inputs",
                "node features of shape (1, nodes, channels)",
                f"shape {tuple(features.shape)}",
                "add the batch axis with unsqueeze(0)",
            )
        edges = self._present_edges(features, present)
        if present is not None and self._players == "nodes":
            features = torch.where(present.unsqueeze(-1), features, 0)
        if self._batch is None:
            rows = zip(features, edges, strict=True)
            return torch.stack([self._one(x, kept, args) for x, kept in rows])
        return self._copies(features, edges, args)

    def _present_edges(self, features: Tensor, present: Tensor | None) -> Tensor:
        """Return which edges each row has, ``(rows, edges)``."""
        edges = self.edge_index.to(features.device)
        if edges.numel() and int(edges.max()) >= features.shape[1]:
            bad_value(
                "edge_index",
                f"between the {features.shape[1]} nodes of the inputs",
                f"an edge at node {int(edges.max())}",
                "nodes count from 0",
            )
        if self._players == "nodes" and present is not None:
            return present[:, edges[0]] & present[:, edges[1]]
        if present is not None:
            return present
        return features.new_ones(len(features), edges.shape[1], dtype=torch.bool)

    def _one(self, x: Tensor, kept: Tensor, args: tuple[Any, ...]) -> Tensor:
        output: Tensor = self.forward_func(
            x, self.edge_index.to(x.device)[:, kept], *args, **self._named(kept, 1)
        )
        if output.dim() and output.shape[0] == 1:
            return output[0]
        return output

    def _copies(self, features: Tensor, kept: Tensor, args: tuple[Any, ...]) -> Tensor:
        rows, nodes = features.shape[:2]
        starts = torch.arange(rows, device=features.device) * nodes
        copies = self.edge_index.to(features.device) + starts[:, None, None]
        output: Tensor = self.forward_func(
            features.flatten(0, 1),
            copies.movedim(0, 1).flatten(1)[:, kept.flatten()],
            *args,
            **self._named(kept.flatten(), rows),
            **{
                str(self._batch): torch.arange(
                    rows, device=features.device
                ).repeat_interleave(nodes)
            },
        )
        if output.shape[0] == rows:
            return output
        if output.shape[0] == rows * nodes:
            return output.unflatten(0, (rows, nodes))
        raise ValueError(
            f"`forward_func` must return one row per graph ({rows}) or per node "
            f"({rows * nodes}), got shape {tuple(output.shape)}; pass batch=None if it "
            "takes one graph at a time"
        )

    def _named(self, kept: Tensor, rows: int) -> dict[str, Tensor]:
        """Return the arguments that have a row per edge, for the edges that stay."""
        return {
            name: value.to(kept.device).repeat(rows, *(1,) * (value.dim() - 1))[kept]
            for name, value in self._edge_arguments.items()
        }


@checked
def graph_model(
    forward_func: Callable[..., Any],
    edge_index: Tensor,  # (2, edges)
    players: Players = "nodes",
    *,
    edge_arguments: Mapping[str, Tensor] | None = None,
    batch: str | None = "batch",
) -> GraphForward:
    """A graph network as a forward function whose rows are masked copies of a graph.

    Many coalitions are one pass over disjoint copies of the graph, as PyTorch
    Geometric batches graphs. With ``batch=None`` the network gets one copy at a time,
    which is right for every network and slow.

    Args:
        forward_func: Called as ``(x, edge_index, *arguments)`` with node features
            ``(nodes, channels)``, and the copy of each node under the name ``batch``.
        edge_index: Source and target of each directed edge, ``(2, edges)`` int64.
        players: What the first input is. ``"features"``: the node features themselves,
            ``(1, nodes, channels)``; absent players get their baseline, edges stay.
            ``"nodes"``: flags ``(1, nodes)``; an absent node loses its features (zero)
            and all its edges. ``"edges"``: flags ``(1, edges)``; give both directions
            of an edge one player with :func:`~captum_interactions.players.edge_mask`.
            Flags are all True, their baseline is ``None``, and the features follow
            first among the ``additional_forward_args``.
        edge_arguments: Keyword arguments with a row for each edge, such as
            ``edge_weight`` or ``edge_attr``.
        batch: Name of the argument that says which copy a node belongs to; ``None`` to
            call the network with one graph at a time.

    Returns:
        A module that returns ``(rows, *outputs)`` of a network for graphs, and
        ``(rows, nodes, *outputs)`` of one for nodes: then ``target`` is
        ``(node, class)``.

    Raises:
        TypeError: If the network is not callable, or ``edge_index`` no integer tensor.
        ValueError: If its shape does not fit, edge arguments have another number of
            rows, there are no edges to play, or the players are unknown. At the
            first call, if an edge ends at a node that is not there, or the output has
            neither a row per graph nor one per node.

    Example:
        >>> def network(x, edge_index, batch):  # the sum over edges of x_i · x_j
        ...     products = (x[edge_index[0]] * x[edge_index[1]]).sum(1)
        ...     total = products.new_zeros(int(batch.max()) + 1)
        ...     return total.index_add(0, batch[edge_index[0]], products)
        >>> forward = graph_model(network, torch.tensor([[0, 1], [1, 2]]), "edges")
        >>> x = torch.tensor([[[2.0], [3.0], [5.0]]])
        >>> forward(torch.tensor([[True, False]]), x).tolist()
        [6.0]
    """
    if not callable(forward_func):
        bad_type("forward_func", "callable", forward_func, "pass a model")
    if players not in get_args(Players):
        bad_value("players", f"one of {get_args(Players)}", repr(players), "pick one")
    if not isinstance(edge_index, Tensor) or edge_index.is_floating_point():
        bad_type("edge_index", "an integer tensor", edge_index, "use torch.tensor")
    if edge_index.dim() != 2 or len(edge_index) != 2:
        bad_value(
            "edge_index",
            "of shape (2, edges)",
            f"shape {tuple(edge_index.shape)}",
            "transpose a list of pairs",
        )
    if players == "edges" and edge_index.shape[1] == 0:
        bad_value("edge_index", "a graph with an edge", "none", "play on its nodes")
    for name, value in (edge_arguments or {}).items():
        if len(value) != edge_index.shape[1]:
            bad_value(
                f"edge_arguments[{name!r}]",
                f"a tensor with a row for each of the {edge_index.shape[1]} edges",
                f"shape {tuple(value.shape)}",
                "pass what belongs to the graph as a whole by functools.partial",
            )
    return GraphForward(forward_func, edge_index, players, edge_arguments or {}, batch)
