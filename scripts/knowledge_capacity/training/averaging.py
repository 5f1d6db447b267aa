"""The average of a model's weights over the points of the log in the last part of training."""

import torch
from torch import Tensor, nn

COUNT = "points"  # the name under which an average keeps how many points it has


@torch.no_grad()
def add_to_average(average: dict[str, Tensor], model: nn.Module) -> None:
    """Add the weights as they are now. average: by name their sums, float64, and COUNT; empty at first."""
    average[COUNT] = average.get(COUNT, torch.zeros((), dtype=torch.float64)) + 1
    for name, parameter in model.named_parameters():
        now = parameter.detach().double().cpu()
        average[name] = average[name] + now if name in average else now


@torch.no_grad()
def load_average(average: dict[str, Tensor], model: nn.Module) -> None:
    """Give the model the mean of the weights that were added."""
    for name, parameter in model.named_parameters():
        parameter.copy_(average[name] / average[COUNT])
