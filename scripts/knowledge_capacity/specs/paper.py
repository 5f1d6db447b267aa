"""The settings that the paper trains with, by name (Allen-Zhu & Li 2024, appendix on experiment details).

paper-1000 and paper-100 are its recipes for so many exposures, as exact exposures; paper-1000-steps trains
for the number of updates that it prints instead. They depend on the dataset and the family. Where the paper
takes the best of several learning rates, a name stands for one recipe of each.
"""

from typing import NamedTuple

from . import FAMILIES, AnyArchitecture, Architecture, BioD, Biography, Dataset, Junk, Recipe

NAMES = ("paper-1000", "paper-1000-steps", "paper-100", "paper-100-junk")
K, M = 1000, 1_000_000
UNREPETITIVE = 100 * M  # people of junk, so many that hardly one is seen twice


class PaperSetting(NamedTuple):
    """Weight decay, learning rates of GPT-2, batch size, and at 1000 exposures the printed updates."""

    weight_decay: float
    lrs: tuple[float, ...]
    batch_size: int
    steps: int | None = None


# by number of people
AT_1000 = {
    10 * K: PaperSetting(0.02, (1e-3,), 24, 140 * K),
    20 * K: PaperSetting(0.02, (1e-3,), 48, 140 * K),
    50 * K: PaperSetting(0.02, (1e-3,), 96, 175 * K),
    100 * K: PaperSetting(0.02, (1e-3,), 192, 175 * K),
    200 * K: PaperSetting(0.02, (1e-3,), 192, 349 * K),
    500 * K: PaperSetting(0.01, (5e-4,), 192, 435 * K),
    1 * M: PaperSetting(0.01, (5e-4,), 192, 870 * K),
    2 * M: PaperSetting(0.005, (3e-4,), 1536, 220 * K),
    5 * M: PaperSetting(0.002, (3e-4,), 1536, 540 * K),
    10 * M: PaperSetting(0.001, (3e-4,), 1536, 1 * M),
}
AT_100 = {
    50 * K: PaperSetting(0.01, (1e-3,), 12),
    100 * K: PaperSetting(0.01, (1e-3,), 24),
    200 * K: PaperSetting(0.01, (1e-3,), 48),
    500 * K: PaperSetting(0.01, (5e-4,), 96),
    1 * M: PaperSetting(0.01, (5e-4,), 192),
    2 * M: PaperSetting(0.01, (3e-4, 5e-4, 1e-3), 384),
    5 * M: PaperSetting(0.01, (3e-4, 5e-4), 768),
    10 * M: PaperSetting(0.01, (2e-4, 3e-4, 5e-4), 1024),
    20 * M: PaperSetting(0.002, (2e-4, 3e-4, 5e-4), 1536),
}
BIOD = PaperSetting(0.01, (5e-4,), 192)
LOW, MIDDLE, HIGH = (2e-4, 3e-4, 5e-4), (3e-4, 5e-4, 1e-3), (5e-4, 1e-3, 2e-3)


class PaperRecipeError(Exception):
    """The paper has no such recipe for a dataset; the message says which there are."""


def paper_recipes(name: str, dataset: Dataset, architecture: AnyArchitecture) -> list[Recipe]:
    """The recipes that one of NAMES stands for. Raises NoSetting where the paper has none."""
    exposures = int(name.split("-")[1])
    if isinstance(dataset, BioD) and name == "paper-1000":
        return _make_recipes(exposures, BIOD)
    table = AT_1000 if exposures == 1000 else AT_100
    if not isinstance(dataset, Biography) or dataset.n_people not in table:
        sizes = ", ".join(f"{n:,}" for n in table)
        raise PaperRecipeError(
            f"the paper has no such recipe for {dataset.slug}. It has for biographies of {sizes} people"
        )
    people = dataset.n_people
    setting = table[people]._replace(
        lrs=_learning_rates(architecture, people, exposures) or table[people].lrs
    )
    if name == "paper-100-junk":
        if people > 200 * K:
            raise PaperRecipeError(
                f"the paper mixes junk into biographies of at most 200,000 people, not {people:,}"
            )
        return _make_recipes(exposures, setting._replace(lrs=MIDDLE), junk=Junk(people=UNREPETITIVE))
    return _make_recipes(exposures, setting, steps=name.endswith("-steps"))


def _learning_rates(architecture: AnyArchitecture, people: int, exposures: int) -> tuple[float, ...] | None:
    """The learning rates tried for another family than GPT-2; None where the paper tries none.

    It says nothing of GPT-2 with a smaller MLP or none: at 100 exposures, where they lose, we search as for
    LLaMA.
    """
    if not isinstance(architecture, Architecture) or architecture.parts == FAMILIES["gpt2"]:
        return None
    if architecture.parts.experts:
        if people > 200 * K:
            return None
        return (1e-3, 2e-3) if exposures == 1000 else (1e-3, 2e-3, 5e-3)
    if exposures == 1000:
        if architecture.family.startswith("gpt2"):
            return None
        return HIGH if people <= 200 * K else LOW if people <= 1 * M else MIDDLE
    return MIDDLE if people <= 200 * K else LOW if people <= 1 * M else None


def _make_recipes(
    exposures: int, setting: PaperSetting, steps: bool = False, junk: Junk | None = None
) -> list[Recipe]:
    return [
        Recipe(
            exposures=exposures,
            lr=lr,
            weight_decay=setting.weight_decay,
            batch_size=setting.batch_size,
            junk=junk,
            steps=setting.steps if steps else None,
        )
        for lr in setting.lrs
    ]
