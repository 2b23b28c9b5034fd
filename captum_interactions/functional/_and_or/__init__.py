"""How :func:`~captum_interactions.functional.and_or_split` solves its linear program.

``halpern`` solves it without a noise term, ``admm`` with one, ``sgd`` as the papers'
authors do.
"""
