"""Calls of every public callable with one hostile argument; see test_bad_input."""
