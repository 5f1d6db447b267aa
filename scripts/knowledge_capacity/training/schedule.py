"""The learning rate over a run: linear warm-up, then a cosine to a tenth of the peak, as in the paper."""

import math

FLOOR = 0.1


def learning_rate(step: int, steps: int, peak: float, warmup_steps: int) -> float:
    """The rate of update number `step` (from 0) of `steps`; after the last one it stays at the floor."""
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    progress = min(1.0, (step - warmup_steps) / max(1, steps - warmup_steps))
    return peak * (FLOOR + (1 - FLOOR) * 0.5 * (1 + math.cos(math.pi * progress)))
