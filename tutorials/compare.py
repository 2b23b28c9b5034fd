"""Attribution methods side by side on handwritten digits: table, picture, page."""

from pathlib import Path

from captum.attr import DeepLift, IntegratedGradients
from sklearn.datasets import load_digits
from torch import eye, linalg, nn, tensor

from captum_interactions import AndInteraction, compare_attributions, players

x, y = map(tensor, load_digits(return_X_y=True))
x = x.float().view(-1, 1, 8, 8) / 16
# The network: random features, and a last layer that is fitted by least squares.
f = nn.Sequential(nn.Flatten(), nn.Linear(64, 300), nn.ReLU(), nn.Linear(300, 10))
f[-1].weight.data = linalg.lstsq(f[:-1](x).detach(), eye(10)[y]).solution.T
# A further method is one more entry.
methods = {"IG": IntegratedGradients(f), "DL": DeepLift(f), "AND": AndInteraction(f)}
patches = players.grid_mask(8, 8, 4)  # which pixels are a player
found = compare_attributions(methods, x[:8], target=y[:8], feature_mask=patches)
print(found)
found.plot()[0].savefig("comparison.png")
Path("comparison.html").write_text(found.to_html())
