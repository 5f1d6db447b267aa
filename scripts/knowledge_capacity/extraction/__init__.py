"""Extraction: how much of what a model has memorised can be asked for."""
