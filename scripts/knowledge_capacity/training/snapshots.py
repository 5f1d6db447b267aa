"""Weights on the way: after which step each snapshot of a recipe is taken, and what is kept of it."""

from torch import Tensor, nn

from ..models.store import saved_weights
from ..specs import Recipe


class Snapshots:
    """The snapshots of a run, taken as its steps are made.

    That of e exposures is of the weights after round(e · steps / exposures) steps, where `steps` are those of all
    exposures, as `Course` expects them by the mean length of a biography in the first exposure. Those of other people
    divide the steps that follow in the same way. What would be due after the last step is of the last weights.
    """

    def __init__(self, recipe: Recipe, own_steps: int, steps: int, kept: dict[str, Tensor]) -> None:
        """own_steps, steps: to the end of the exposures, and of all. kept: is filled, as `Progress` has it."""
        self._kept = kept
        self._due: list[tuple[int, str]] = []
        for time in recipe.snapshot_times:
            after = round(own_steps * time.exposures / recipe.exposures)
            if time.others is not None and recipe.afterwards:
                after += round((steps - own_steps) * time.others / recipe.afterwards.exposures)
            self._due.append((after, time.slug))

    def most_steps(self, step: int) -> int | None:
        """How many steps may follow until the next snapshot, or None where there is none to come."""
        return min((after - step for after, _ in self._due if after > step), default=None)

    def take(self, step: int, model: nn.Module) -> None:
        """Keep the weights as they are after so many steps, if a snapshot is due."""
        self._take([name for after, name in self._due if after == step], model)

    def take_rest(self, step: int, model: nn.Module) -> None:
        """Keep the weights of the end for those that would have been due after it."""
        self._take([name for after, name in self._due if after > step], model)

    def _take(self, names: list[str], model: nn.Module) -> None:
        for name in names:
            weights, _ = saved_weights(model)
            self._kept |= {f"{name}/{key}": weight.cpu().clone() for key, weight in weights.items()}
