"""One module per experiment: its figure, its table and its claims, computed from the measurements alone.

Modules whose names begin with _ hold what several experiments share. `_contract` says what a module defines.
"""

from pathlib import Path

# the experiment of each numbered result of the paper
PAPER_RESULTS = {
    1: "base_law",
    2: "data_format",
    3: "biod",
    4: "exposures",
    5: "architectures",
    6: "architectures_at_100",
    7: "gated_mlp",
    8: "quantization",
    9: "experts",
    10: "junk",
    11: "repetitive_junk",
    12: "domain_token",
}


def list_experiments() -> list[str]:
    """The names of the experiments there is code for; none is imported, which would load the drawing library."""
    return sorted(file.stem for file in Path(__file__).parent.glob("*.py") if not file.stem.startswith("_"))
