"""Comparisons with transformers, the oracle of this package."""
