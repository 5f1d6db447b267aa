"""The learning rate over a run: linear warm-up, then a cosine to a part of the peak, a tenth in the paper."""

import math


def learning_rate(step: int, steps: int, peak: float, warmup_steps: int, floor: float = 0.1) -> float:
    """The rate of update number `step` (from 0) of `steps`; after the last one it stays at floor · peak."""
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    progress = min(1.0, (step - warmup_steps) / max(1, steps - warmup_steps))
    return peak * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * progress)))
