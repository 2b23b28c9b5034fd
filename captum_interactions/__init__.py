"""Game-theoretic interactions of deep networks, beside Captum's attributions."""

__version__ = "0.1.0"
