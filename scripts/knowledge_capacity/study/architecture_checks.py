"""What is wrong with architectures whose fields are each in order."""

from collections.abc import Iterator
from pathlib import Path

from ..config import Key, Problem
from ..specs import AnyArchitecture, Architecture, Checkpoint, PythonModel
from .function_checks import function_problems
from .schema import standard_architecture


def architecture_problems(key: Key, name: str, architecture: AnyArchitecture) -> Iterator[Problem]:
    """An entry that cannot be built, or whose name means another model. key: of the entry, whose name is `name`."""
    standard = standard_architecture(name)
    if standard and standard != architecture:
        reason = (
            f"{name} is the name of {standard.layers} layers, {standard.heads} heads, width {standard.width}"
        )
        yield Problem(key, reason, "Choose another name.")
    if isinstance(architecture, PythonModel):
        yield from function_problems(key, architecture)
    elif isinstance(architecture, Checkpoint):
        for needed in ("config.json", "tokenizer.json"):
            if not (Path(architecture.folder) / needed).is_file():
                reason = f"there is no {needed} in this folder"
                yield Problem((*key, "folder"), reason, "Give the folder of a model that transformers saved.")
    elif isinstance(architecture, Architecture):
        yield from decoder_problems(key, architecture)


def decoder_problems(key: Key, architecture: Architecture) -> Iterator[Problem]:
    """A shape that no decoder can have. key: of the architecture."""
    width, heads = architecture.width, architecture.heads
    reason = ""
    if width % heads:
        reason = f"a width of {width} does not divide among {heads} heads"
    elif (width // heads) % 2:
        reason = f"each head has {width // heads} dimensions, and rotary embedding needs an even number"
    if reason:
        step = 2 * heads
        remedy = f"Use a multiple of {step} as width, such as {-(-width // step) * step}."
        yield Problem((*key, "width"), reason, remedy, ((*key, "heads"),))
    experts = architecture.parts.experts
    if experts and experts.top_k > experts.number:
        reason = f"there are only {experts.number} experts to choose from"
        yield Problem((*key, "experts", "top_k"), reason, f"Write at most {experts.number}.")
    if architecture.parts.mlp == "none" and (experts or architecture.mlp_width):
        which = "experts" if architecture.experts else "mlp"
        reason = "an architecture without MLP has neither experts nor a width of its MLP"
        yield Problem((*key, which), reason, "Remove one of them.")
