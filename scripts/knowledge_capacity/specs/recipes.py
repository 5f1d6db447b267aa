"""Recipes: how models are trained, and how their weights are stored."""

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, Lt

from .base import STRICT, Count, Positive, departures, thousands


@dataclass(frozen=True)
class Junk:
    """Biographies of other people, mixed into training: they cost tokens, and nobody asks about them.

    people: N', how many there are; few make repetitive junk. share: how much is junk, of all windows (pure)
    or of all biographies (mixed). windows: pure ones are cut wholly from useful or from junk biographies.
    domain_token: which biographies begin with a special token that tells their domain.
    """

    __pydantic_config__ = STRICT

    people: Count
    share: Annotated[float, Gt(0), Lt(1)] = 0.875
    windows: Literal["pure", "mixed"] = "pure"
    domain_token: Literal["none", "useful", "junk"] = "none"

    @property
    def exact_share(self) -> Fraction:
        """The share as a fraction of small whole numbers, so that counting never goes astray."""
        return Fraction(str(self.share)).limit_denominator(1_000_000)

    @property
    def slug(self) -> str:
        others = departures(self, share="share", windows="", domain_token="token-")
        return f"-junk{thousands(self.people)}{others}"


@dataclass(frozen=True)
class Recipe:
    """How a model is trained: exposures, optimiser, schedule, batch, and what junk is mixed in.

    steps: train for so many updates, as the paper prints them, in place of exact exposures (which then just
    name the recipe). precision: of matrix products in training; auto is fp32 on a CPU and bf16 on a GPU.
    """

    __pydantic_config__ = STRICT

    exposures: Count
    lr: Positive
    weight_decay: Annotated[float, Ge(0), Lt(1)] = 0.01
    batch_size: Count = 192
    window: Annotated[int, Ge(8), Le(4096)] = 512
    warmup_steps: Annotated[int, Ge(0)] = 1000
    junk: Junk | None = None
    optimizer: Literal["adamw", "muon"] = "adamw"
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    steps: Count | None = None

    @property
    def has_domain_token(self) -> bool:
        """Whether some biographies begin with a token that tells their domain."""
        return self.junk is not None and self.junk.domain_token != "none"

    @property
    def slug(self) -> str:
        name = f"exposures{self.exposures}-lr{Decimal(repr(self.lr)).normalize():e}"
        name += departures(
            self,
            weight_decay="wd",
            batch_size="batch",
            window="window",
            warmup_steps="warmup",
            optimizer="",
            precision="",
            steps="steps",
        )
        return name + (self.junk.slug if self.junk else "")


@dataclass(frozen=True)
class Quantizer:
    """A way of storing the weights of a trained model in fewer bits."""

    __pydantic_config__ = STRICT

    bits: Annotated[int, Ge(2), Le(8)]
    method: Literal["rtn"] = "rtn"
    group_size: Annotated[int, Ge(0)] = 0

    @property
    def slug(self) -> str:
        name = f"int{self.bits}-{self.method}"
        return f"{name}-group{self.group_size}" if self.group_size else name
