"""Graph networks: disjoint copies against one small graph at a time, made by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from captum_interactions import AndInteraction
from captum_interactions.games import ModelGame, graph_model
from captum_interactions.players import edge_mask

EDGES = torch.tensor([[0, 1, 1, 2, 2, 3, 0, 3], [1, 0, 2, 1, 3, 2, 3, 0]])
X = torch.rand(1, 4, 3, generator=torch.Generator().manual_seed(0))


class Convolution(nn.Module):
    """Two rounds of weighted messages, then a readout of graphs or of nodes."""

    def __init__(self, readout=True):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Linear(3, 5), nn.Linear(5, 2)
        self.readout, self.calls = readout, 0

    def forward(self, x, edge_index, edge_weight=None, batch=None):
        self.calls += 1
        source, target = edge_index
        weight = torch.ones(len(source)) if edge_weight is None else edge_weight
        for layer in self.first, self.second:
            message = layer(x)
            x = message.index_add(0, target, weight[:, None] * message[source]).tanh()
        if not self.readout:
            return x
        if batch is None:
            return x.sum(0, keepdim=True)
        rows = int(batch.max()) + 1
        return x.new_zeros(rows, x.shape[1]).index_add(0, batch, x)


@pytest.mark.parametrize("batch", ["batch", None])
@torch.no_grad()
def test_nodes(batch):
    model, flags = Convolution(), torch.ones(1, 4, dtype=torch.bool)
    game = ModelGame(
        graph_model(model, EDGES, batch=batch),
        flags,
        target=1,
        additional_forward_args=X,
    )
    table = game.table()[0]
    for code in range(16):
        here = torch.tensor([bool(code >> i & 1) for i in range(4)])
        edges = EDGES[:, here[EDGES[0]] & here[EDGES[1]]]
        by_hand = model(X[0] * here[:, None], edges)[0, 1]
        assert table[code] == pytest.approx(by_hand.item(), abs=1e-5)


@torch.no_grad()
def test_edges_with_weights_and_both_directions_as_one_player():
    model, weight = Convolution(), torch.rand(8)
    mask, names = edge_mask(EDGES)
    assert names == ("0–1", "0–3", "1–2", "2–3")  # noqa: RUF001
    forward = graph_model(model, EDGES, "edges", edge_arguments={"edge_weight": weight})
    flags = torch.ones(1, 8, dtype=torch.bool)
    table = ModelGame(forward, flags, None, 0, X, mask).table()[0]
    for code in range(16):
        kept = torch.tensor([bool(code >> int(p) & 1) for p in mask[0]])
        by_hand = model(X[0], EDGES[:, kept], weight[kept])[0, 0]
        assert table[code] == pytest.approx(by_hand.item(), abs=1e-5)


@torch.no_grad()
def test_features_of_nodes_against_their_baseline():
    model = Convolution()
    nodes = torch.arange(4).reshape(1, 4, 1)
    forward = graph_model(model, EDGES, "features")
    table = ModelGame(forward, X, 0.5, 0, None, nodes).table()[0]
    for code in range(16):
        here = torch.tensor([bool(code >> i & 1) for i in range(4)])[:, None]
        by_hand = model(torch.where(here, X[0], 0.5), EDGES)[0, 0]
        assert table[code] == pytest.approx(by_hand.item(), abs=1e-5)


@pytest.mark.parametrize("batch", ["batch", None])
def test_a_network_for_nodes_is_asked_by_node_and_class(batch):
    model, flags = Convolution(readout=False), torch.ones(1, 4, dtype=torch.bool)
    result = AndInteraction(graph_model(model, EDGES, batch=batch)).interactions(
        flags, target=(2, 1), additional_forward_args=X
    )
    with torch.no_grad():
        expected = model(X[0], EDGES)[2, 1]
    assert result.values.sum().item() == pytest.approx(expected.item(), abs=1e-5)


def test_copies_are_one_pass():
    model = Convolution()
    graph_model(model, EDGES)(torch.ones(16, 4) > 0, X.expand(16, -1, -1))
    assert model.calls == 1


@torch.no_grad()
def test_a_graph_without_edges():
    none = torch.empty(2, 0, dtype=torch.long)
    model = Convolution()
    flags = torch.ones(1, 4, dtype=torch.bool)
    result = AndInteraction(graph_model(model, none)).interactions(
        flags, target=0, additional_forward_args=X
    )
    assert result.values[0, [3, 5, 15]].abs().max() < 1e-5  # nodes don't meet
    with pytest.raises(ValueError, match="nodes"):
        graph_model(model, none, "edges")
    with pytest.raises(ValueError, match="nodes as players"):
        edge_mask(none)


def test_bad_graphs_are_refused():
    model, flags = Convolution(), torch.ones(1, 4, dtype=torch.bool)
    with pytest.raises(ValueError, match=r"`edge_index`.*\(2, edges\)"):
        graph_model(model, EDGES.T)
    with pytest.raises(TypeError, match="`edge_index`"):
        graph_model(model, EDGES.float())
    with pytest.raises(ValueError, match="`players`"):
        graph_model(model, EDGES, "atoms")
    with pytest.raises(ValueError, match="edge_weight"):
        graph_model(model, EDGES, edge_arguments={"edge_weight": torch.ones(3)})
    with pytest.raises(ValueError, match="an edge at node 4"):
        ModelGame(
            graph_model(model, EDGES + 1), flags, additional_forward_args=X
        ).table()
    with pytest.raises(ValueError, match=r"\(1, nodes, channels\)"):
        graph_model(model, EDGES, "features")(X[0])
    pooled = graph_model(lambda x, edges, batch: x.sum(0, keepdim=True), EDGES)
    with pytest.raises(ValueError, match="batch=None"):
        pooled(flags.repeat(3, 1), X.repeat(3, 1, 1))
