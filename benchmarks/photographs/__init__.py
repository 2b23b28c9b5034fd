"""The parts of ``imagenet.py``: what is measured on a picture, and the tables."""
