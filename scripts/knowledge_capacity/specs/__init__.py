"""The nouns of the study: what a dataset, an architecture, a recipe, a quantizer and a run are.

A spec is a frozen dataclass of plain values. It travels from the configuration to a job as JSON, and it
names its folder under results/: the slug spells out what people look for and whatever differs from the
paper's setting (pool sizes as a digest). So two specs that differ never share a path, and the paper's own
settings have the short names.

Limits of single fields stand there as annotations; `problems` checks everything that takes several
fields to decide.
"""

from .architectures import (
    FAMILIES,
    AnyArchitecture,
    Architecture,
    Checkpoint,
    Experts,
    PythonModel,
    TransformersModel,
    parse_architecture,
)
from .base import BYTE_PAIR, FULL_BITS, FULL_PRECISION, STRICT, WORD_LEVEL, Count, Positive, to_json
from .datasets import (
    KINDS,
    STORED,
    BioD,
    BioG,
    Biography,
    BioR,
    BioS,
    BioSSimple,
    Dataset,
    Pools,
    RandomStrings,
    slug_without_size,
)
from .recipes import (
    FEWEST_ASKED,
    METHODS,
    STRING_LENGTH,
    Adapter,
    Afterwards,
    Base,
    Extraction,
    HeadStart,
    Junk,
    Quantizer,
    Recipe,
    Snapshot,
)
from .runs import Run, cell_to_json, parse_cell, parse_dataset, parse_recipe, parse_run

__all__ = [
    "BYTE_PAIR",
    "FAMILIES",
    "FEWEST_ASKED",
    "FULL_BITS",
    "FULL_PRECISION",
    "KINDS",
    "METHODS",
    "STORED",
    "STRICT",
    "STRING_LENGTH",
    "WORD_LEVEL",
    "Adapter",
    "Afterwards",
    "AnyArchitecture",
    "Architecture",
    "Base",
    "BioD",
    "BioG",
    "BioR",
    "BioS",
    "BioSSimple",
    "Biography",
    "Checkpoint",
    "Count",
    "Dataset",
    "Experts",
    "Extraction",
    "HeadStart",
    "Junk",
    "Pools",
    "Positive",
    "PythonModel",
    "Quantizer",
    "RandomStrings",
    "Recipe",
    "Run",
    "Snapshot",
    "TransformersModel",
    "cell_to_json",
    "parse_architecture",
    "parse_cell",
    "parse_dataset",
    "parse_recipe",
    "parse_run",
    "slug_without_size",
    "to_json",
]
