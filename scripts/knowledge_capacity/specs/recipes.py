"""Recipes: how models are trained, and how their weights are stored."""

import json
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le, Lt

from .base import LATER, STRICT, Count, Positive, format_nondefaults, format_thousands


def format_rate(lr: float) -> str:
    """A learning rate as it stands in names."""
    return f"-lr{Decimal(repr(lr)).normalize():e}"


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
        others = format_nondefaults(self, share="share", windows="", domain_token="token-")
        return f"-junk{format_thousands(self.people)}{others}"


@dataclass(frozen=True)
class Method:
    """What a method of quantizing is. sees_data: whether it looks at data of the run. bits: of a number format.

    zero_point: whether groups share one beside their scale, "chosen" by the quantizer's field, and how it is stored:
    as a code, or in 16 bits.
    """

    sees_data: bool = False
    bits: int | None = None
    zero_point: Literal["none", "chosen", "always"] = "none"
    zero_point_in_16_bits: bool = False


# in the order in which figures show them; each is a module of quantization/
METHODS = {
    "rtn": Method(zero_point="chosen"),
    "gptq": Method(sees_data=True, zero_point="chosen"),
    "hqq": Method(zero_point="always", zero_point_in_16_bits=True),
    "nf4": Method(bits=4),
    "fp8": Method(bits=8),
}


@dataclass(frozen=True)
class Quantizer:
    """A way of storing the weights of a trained model in fewer bits.

    method: rtn (round to nearest), gptq, hqq, nf4 or fp8. group_size: how many weights of a row share a
    scale; 0 is the whole row. zero_point: with rtn and gptq, whether they share a zero point as well, so that
    codes need not lie evenly around zero (hqq always has one). matrices: those of the layers, or also
    embedding and head. calibration_people: with gptq, of how many people it sees a biography. calibration: of people of
    the dataset, of others of whom the model never read, of people of its junk, or random tokens, as many as those have.
    """

    __pydantic_config__ = STRICT

    bits: Annotated[int, Ge(2), Le(8)]
    method: Literal["rtn", "gptq", "hqq", "nf4", "fp8"] = "rtn"
    group_size: Annotated[int, Ge(0)] = 0
    zero_point: bool = False
    matrices: Literal["layers", "all"] = "layers"
    calibration_people: Count = 1000
    calibration: Literal["people", "others", "junk", "random"] = field(default="people", metadata=LATER)

    @property
    def sees_data(self) -> bool:
        """Whether the method looks at data of the run; variants of others do not depend on these."""
        return METHODS[self.method].sees_data

    @property
    def slug(self) -> str:
        name = self.method if METHODS[self.method].bits else f"int{self.bits}-{self.method}"
        name += format_nondefaults(
            self, group_size="group", matrices="", calibration_people="people", calibration=""
        )
        return name + ("-zero" if self.zero_point else "")


FEWEST_ASKED = 20  # people of a dataset, so that there are some to be taught, kept back, and asked


@dataclass(frozen=True)
class Extraction:
    """Teaching a trained model to answer questions about half of its people, so that the rest can be asked.

    The weights stay, and low-rank updates of `rank` are trained for so many epochs over the questions.
    """

    __pydantic_config__ = STRICT

    rank: Annotated[int, Ge(1), Le(1024)] = 8
    lr: Positive = 1e-3
    epochs: Count = 10
    batch_size: Count = 64

    @property
    def slug(self) -> str:
        return "questions" + format_nondefaults(
            self, rank="rank", lr="lr", epochs="epochs", batch_size="batch"
        )


@dataclass(frozen=True)
class HeadStart:
    """Exposures of the first people alone, with which training begins; its biographies count among the recipe's."""

    __pydantic_config__ = STRICT

    people: Count
    exposures: Count

    @property
    def slug(self) -> str:
        return f"-start{format_thousands(self.people)}x{self.exposures}"


@dataclass(frozen=True)
class Afterwards:
    """Training that goes on with other people, once the exposures of a recipe are over.

    people: how many others, drawn as those of junk are. exposures: how often each is seen. lr: the constant rate; by
    default that with which the recipe's schedule ends.
    """

    __pydantic_config__ = STRICT

    people: Count
    exposures: Count
    lr: Positive | None = None

    @property
    def slug(self) -> str:
        rate = format_rate(self.lr) if self.lr else ""
        return f"-others{format_thousands(self.people)}x{self.exposures}{rate}"


@dataclass(frozen=True)
class Snapshot:
    """Weights on the way: after so many exposures of a run's people, and, once these are over, so many of others.

    others: None before the end of the exposures. A snapshot is a variant of its run, by its slug.
    """

    exposures: int
    others: int | None = None

    @staticmethod
    def is_spec_of(text: Any) -> bool:
        """Whether the JSON of a variant's spec is that of a snapshot; a variant without one has none."""
        return isinstance(text, str) and "exposures" in json.loads(text)

    @property
    def slug(self) -> str:
        return f"after-{self.exposures}" if self.others is None else f"others-{self.others}"


STRING_LENGTH = 8  # tokens of a random string that the model below an adapter is trained on


@dataclass(frozen=True)
class Base:
    """What the weights below an adapter were trained on before, with exposures and lr of its own.

    trained_on: others, people of the same kind that the dataset does not have, or random strings of its tokens.
    people: how many of them there are, or strings.
    """

    __pydantic_config__ = STRICT

    trained_on: Literal["others", "strings"]
    people: Count
    exposures: Count
    lr: Positive

    @property
    def slug(self) -> str:
        seen = f"{format_thousands(self.people)}x{self.exposures}"
        return f"-on-{self.trained_on}{seen}{format_rate(self.lr)}"


@dataclass(frozen=True)
class Adapter:
    """Low-rank updates of some matrices (LoRA, Hu et al. 2021), which are trained while the model itself is not.

    targets: linear layers of attention, of the MLP, of both (layers), or embedding and head. base: what the model was
    trained on before; without it, weights stay as they were drawn, and those of a checkpoint as they are.
    """

    __pydantic_config__ = STRICT

    rank: Annotated[int, Ge(1), Le(1024)]
    targets: Literal["layers", "attention", "mlp", "embeddings"] = "layers"
    base: Base | None = None

    @property
    def slug(self) -> str:
        base = self.base.slug if self.base else ""
        return f"-adapter{self.rank}{format_nondefaults(self, targets='')}{base}"


@dataclass(frozen=True)
class Recipe:
    """How a model is trained: exposures, optimiser, schedule, batch, and what junk is mixed in.

    steps: train for so many updates, as the paper prints them, in place of exact exposures (which then just
    name the recipe). precision: of matrix products in training; auto is fp32 on a CPU and bf16 on a GPU.
    qat: train the weights as this quantizer (rtn) stores them. beta1, beta2, eps: of AdamW; the paper does not state
    them, and these are those of its sibling papers. final_lr: the rate at the end, as a part of lr. init_std: the
    standard deviation of initial matrices; "width" is width^-1/2. average: the share of training, at its end, of which
    the weights are averaged. text_mask: whether a token attends to its own biography alone. adapter: what is trained
    in place of the model itself. snapshots: whether training keeps weights on the way, see `snapshot_times`.
    afterwards: other people, with whom training goes on.
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
    qat: Quantizer | None = None
    beta1: Annotated[float, Ge(0), Lt(1)] = field(default=0.9, metadata=LATER)
    beta2: Annotated[float, Ge(0), Lt(1)] = field(default=0.98, metadata=LATER)
    eps: Positive = field(default=1e-6, metadata=LATER)
    final_lr: Annotated[float, Ge(0), Le(1)] = field(default=0.1, metadata=LATER)
    init_std: Positive | Literal["width"] = field(default=0.02, metadata=LATER)
    average: Annotated[float, Ge(0), Le(0.5)] = field(default=0.0, metadata=LATER)
    text_mask: bool = field(default=False, metadata=LATER)
    head_start: HeadStart | None = field(default=None, metadata=LATER)
    adapter: Adapter | None = field(default=None, metadata=LATER)
    snapshots: bool = field(default=False, metadata=LATER)
    afterwards: Afterwards | None = field(default=None, metadata=LATER)

    @property
    def betas(self) -> tuple[float, float]:
        """AdamW's constants of its two means."""
        return self.beta1, self.beta2

    @property
    def unstackable_reason(self) -> str | None:
        """What keeps runs from being trained in one step with others, or None where nothing of the recipe does."""
        if self.optimizer != "adamw":
            return f"its optimizer is {self.optimizer}"
        if self.precision == "fp16":
            return "fp16 scales the losses of each run"
        fields = ("qat", "average", "text_mask", "adapter", "snapshots", "afterwards")
        alone = [name for name in fields if getattr(self, name)]
        return f"it has {alone[0]}" if alone else None

    @property
    def base_recipe(self) -> "Recipe":
        """How the model below an adapter was trained before."""
        assert self.adapter
        assert self.adapter.base
        base = self.adapter.base
        return replace(self, adapter=None, exposures=base.exposures, lr=base.lr)

    @property
    def snapshot_times(self) -> list[Snapshot]:
        """When weights are kept on the way: after 1, 2, 5, 10, 20, 50 … exposures, fewer than all of them.

        With others afterwards, also before the first of these, and after as many exposures of them.
        """
        if not self.snapshots:
            return []
        found = [Snapshot(exposures) for exposures in _list_rounds(self.exposures)]
        if self.afterwards:
            others = [0, *_list_rounds(self.afterwards.exposures)]
            found += [Snapshot(self.exposures, number) for number in others]
        return found

    @property
    def has_domain_token(self) -> bool:
        """Whether some biographies begin with a token that tells their domain."""
        return self.junk is not None and self.junk.domain_token != "none"

    @property
    def slug(self) -> str:
        return self._slug(format_rate(self.lr))

    @property
    def slug_without_lr(self) -> str:
        """What recipes share that differ in their learning rate alone."""
        return self._slug("")

    def _slug(self, lr: str) -> str:
        name = f"exposures{self.exposures}{lr}"
        name += format_nondefaults(
            self,
            weight_decay="wd",
            batch_size="batch",
            window="window",
            warmup_steps="warmup",
            optimizer="",
            precision="",
            steps="steps",
        )
        name += f"-qat-{self.qat.slug}" if self.qat else ""
        name += f"-{self.later_slug}" if self.later_slug else ""
        return name + (self.junk.slug if self.junk else "")

    @property
    def later_slug(self) -> str:
        """What differs from the paper's recipe in how weights begin, are updated, are averaged, and see other texts."""
        name = format_nondefaults(
            self,
            beta1="b1-",
            beta2="b2-",
            eps="eps",
            final_lr="end",
            init_std="init",
            average="average",
            text_mask="masked",
            snapshots="snapshots",
        )
        parts = (part.slug for part in (self.head_start, self.afterwards, self.adapter) if part)
        return (name + "".join(parts)).removeprefix("-")


def _list_rounds(end: int) -> list[int]:
    """1, 2, 5, 10, 20, 50 … below an end."""
    return [n for power in range(len(str(end))) for n in (10**power, 2 * 10**power, 5 * 10**power) if n < end]
