"""Optimiser, schedule, training loop and checkpoints."""
