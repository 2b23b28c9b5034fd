"""Parts of ``benchmarks/decks.py``: what the slides say, computed or measured."""
