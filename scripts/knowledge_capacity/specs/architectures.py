"""Architectures: the decoder's families, and models that come from elsewhere.

A family is a set of parts (Allen-Zhu & Li 2024, section 3 and appendix); layers, heads and width size them.
"""

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge, Le, MinLen

from .base import (
    STRICT,
    Count,
    Positive,
    format_nondefaults,
    format_number,
    last_name_part,
    short_digest,
    to_json,
)

Activation = Literal["gelu", "silu"]
MLPKind = Literal["standard", "gated", "none"]


@dataclass(frozen=True)
class Experts:
    """A mixture of experts in place of each MLP: every token goes to the top_k that the router likes best.

    capacity, capacity_test: an expert takes at most capacity · top_k · tokens / number of a batch's tokens,
    and the rest pass it by. balance, router_z: weights of the load-balancing loss (Fedus et al. 2021,
    equation 4) and of the router's z-loss (Zoph et al. 2022, equation 5), added to the loss in training.
    """

    __pydantic_config__ = STRICT

    number: Annotated[int, Ge(2), Le(1024)] = 32
    top_k: Annotated[int, Ge(1), Le(8)] = 1
    capacity: Positive = 2.0
    capacity_test: Positive = 8.0
    balance: Annotated[float, Ge(0)] = 0.01
    router_z: Annotated[float, Ge(0)] = 0.0

    @cached_property
    def slug(self) -> str:
        return f"-experts{self.number}" + format_nondefaults(
            self, top_k="top", capacity="cap", capacity_test="captest", balance="balance", router_z="z"
        )


@dataclass(frozen=True)
class DecoderParts:
    """What a family's decoder is made of.

    norm: layer (LayerNorm) or rms (RMSNorm). bias: whether linear layers have one. mlp_ratio: inner width of
    the MLP over the width. rotary: the fraction of each head's dimensions that is rotated. tied: whether the
    head is the embedding. grouped: whether query heads share keys and values, by the rule for Mistral.
    """

    norm: Literal["layer", "rms"]
    bias: bool
    mlp: MLPKind
    mlp_ratio: float
    activation: Activation
    rotary: float
    tied: bool
    grouped: bool = False
    experts: Experts | None = None


Family = Literal[
    "gpt2",
    "gpt2-quarter-mlp",
    "gpt2-no-mlp",
    "gpt2-moe",
    "llama",
    "llama-tied",
    "llama-standard-mlp",
    "llama-tied-standard-mlp",
    "llama-gelu",
    "mistral",
]

_GPT2 = DecoderParts(
    "layer", bias=True, mlp="standard", mlp_ratio=4, activation="gelu", rotary=0.25, tied=True
)
_LLAMA = DecoderParts(
    "rms", bias=False, mlp="gated", mlp_ratio=8 / 3, activation="silu", rotary=1, tied=False
)
FAMILIES: dict[Family, DecoderParts] = {
    "gpt2": _GPT2,
    "gpt2-quarter-mlp": replace(_GPT2, mlp_ratio=1),
    "gpt2-no-mlp": replace(_GPT2, mlp="none"),
    "gpt2-moe": replace(_GPT2, mlp_ratio=1, experts=Experts()),
    "llama": _LLAMA,
    "llama-tied": replace(_LLAMA, tied=True),
    "llama-standard-mlp": replace(_LLAMA, mlp="standard", mlp_ratio=4),
    "llama-tied-standard-mlp": replace(_LLAMA, mlp="standard", mlp_ratio=4, tied=True),
    "llama-gelu": replace(_LLAMA, activation="gelu"),
    "mistral": replace(_LLAMA, mlp_ratio=3.5, grouped=True),
}


@dataclass(frozen=True)
class Architecture:
    """A decoder: `family` names its parts; layers, heads and width give its size (GPT2-ℓ-h has width 64h).

    The other fields replace a part of the family, for ablations; null keeps it.
    """

    __pydantic_config__ = STRICT

    layers: Count
    heads: Count
    width: Count
    family: Family = "gpt2"
    mlp: MLPKind | None = None
    mlp_width: Count | None = None
    activation: Activation | None = None
    tied: bool | None = None
    experts: Experts | None = None
    kind: Literal["decoder"] = "decoder"

    @property
    def parts(self) -> DecoderParts:
        """The parts of the family, with what this architecture replaces."""
        replaced = {name: value for name, value in self.replaced.items() if name != "mlp_width"}
        return replace(FAMILIES[self.family], **replaced)

    @property
    def replaced(self) -> dict[str, Any]:
        """The parts of the family that this architecture replaces."""
        values = {name: getattr(self, name) for name in ("mlp", "mlp_width", "activation", "tied", "experts")}
        return {name: value for name, value in values.items() if value is not None}

    @property
    def settled(self) -> "Architecture":
        """The same model with the fewest parts replaced: those of another family, where it has them all."""
        if self.parts.mlp == "none" and (self.mlp_width or self.experts):  # which is refused
            return self
        own = FAMILIES[self.family]
        same: dict[str, Any] = {
            name: None for name, value in self.replaced.items() if getattr(own, name, None) == value
        }
        plain = replace(self, **same)
        if plain.mlp_width and plain.inner_width == replace(plain, mlp_width=None).inner_width:
            plain = replace(plain, mlp_width=None)
        if not plain.replaced:
            return plain
        for family in FAMILIES:
            other = Architecture(self.layers, self.heads, self.width, family)
            if other._identity == plain._identity:
                return other
        return plain

    @property
    def _identity(self) -> tuple[object, ...]:
        """What makes the model, however it is written."""
        parts = self.parts
        activation = parts.activation if self.inner_width else None
        mlp = (parts.mlp, self.inner_width, activation, parts.experts)
        return parts.norm, parts.bias, mlp, self.rotary, parts.tied, self.groups

    @property
    def head_width(self) -> int:
        """Dimensions of each head."""
        return self.width // self.heads

    @property
    def groups(self) -> int:
        """Key-value heads: as many as query heads; grouped, h/4 where 4 | h, h where h is odd, else h/2."""
        if not self.parts.grouped or self.heads % 2:
            return self.heads
        return self.heads // (2 if self.heads % 4 else 4)

    @property
    def rotary(self) -> int:
        """How many dimensions of each head are rotated: the family's part of them, even, at least two."""
        return max(2, int(self.head_width * self.parts.rotary) // 2 * 2)

    @property
    def inner_width(self) -> int:
        """Inner width of the MLP, or of each expert; 0 without MLP."""
        if self.parts.mlp == "none":
            return 0
        return self.mlp_width or round(self.parts.mlp_ratio * self.width)

    @cached_property
    def slug(self) -> str:
        name = f"{self.family}-{self.layers}-{self.heads}"
        name += "" if self.width == 64 * self.heads else f"-d{self.width}"
        return name + format_nondefaults(self, mlp="mlp-", mlp_width="mlp", activation="") + self._ending

    @cached_property
    def design(self) -> str:
        """The slug without what tells its size: layers, heads and widths."""
        return self.family + format_nondefaults(self, mlp="mlp-", activation="") + self._ending

    @property
    def _ending(self) -> str:
        name = "" if self.tied is None else "-tied" if self.tied else "-untied"
        return name + (self.experts.slug if self.experts else "")


@dataclass(frozen=True)
class PythonModel:
    """A model that a Python function of yours makes.

    function: path/to/file.py:name, called as name(vocabulary, window, **arguments); it returns a torch module
    that takes token ids (batch, window) and gives logits (batch, window, vocabulary).
    """

    __pydantic_config__ = STRICT

    function: Annotated[str, MinLen(1)]
    arguments: dict[str, Any] = field(default_factory=dict)
    kind: Literal["python"] = "python"

    @property
    def family(self) -> str:
        """The function's name, or its file's where the function is just called build."""
        file, _, name = self.function.rpartition(":")
        return Path(file).stem if name == "build" else name

    @cached_property
    def slug(self) -> str:
        """Name, arguments where they are plain, and a digest of everything."""
        said = [
            f"-{k}{format_number(v)}" for k, v in sorted(self.arguments.items()) if isinstance(v, int | float)
        ]
        return f"{last_name_part(self.family)}{''.join(said) if len(said) < 6 else ''}-{short_digest(to_json(self))}"


@dataclass(frozen=True)
class TransformersModel:
    """A causal language model of the transformers library, with fresh weights.

    config: a configuration class (Qwen3Config) or the path of a config.json; fields replace values in it.
    """

    __pydantic_config__ = STRICT

    config: Annotated[str, MinLen(1)]
    fields: dict[str, Any] = field(default_factory=dict)
    kind: Literal["transformers"] = "transformers"

    @property
    def family(self) -> str:
        """The class, or the folder of the file."""
        path = Path(self.config)
        return self.config.removesuffix("Config") if path.suffix != ".json" else path.parent.name or "config"

    @cached_property
    def slug(self) -> str:
        return f"{last_name_part(self.family)}-{short_digest(to_json(self))}"


@dataclass(frozen=True)
class Checkpoint:
    """A model trained elsewhere on this dataset, in a folder that transformers loads: it is only measured."""

    __pydantic_config__ = STRICT

    folder: Annotated[str, MinLen(1)]
    kind: Literal["checkpoint"] = "checkpoint"

    @property
    def family(self) -> str:
        """The folder's name."""
        return Path(self.folder).name

    @cached_property
    def slug(self) -> str:
        return f"{last_name_part(self.folder)}-{short_digest(to_json(self))}"


AnyArchitecture = Architecture | PythonModel | TransformersModel | Checkpoint
ARCHITECTURES = {kind.kind: kind for kind in (Architecture, PythonModel, TransformersModel, Checkpoint)}


def parse_architecture(values: dict[str, Any]) -> AnyArchitecture:
    """The architecture spec that `to_json` wrote."""
    experts = {"experts": Experts(**values["experts"])} if values.get("experts") else {}
    return ARCHITECTURES[values["kind"]](**{**values, **experts})
