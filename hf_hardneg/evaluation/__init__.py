"""Scores to numbers: what a model knows, concept by concept, with intervals."""
