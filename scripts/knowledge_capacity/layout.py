"""Where a run's files are, below the folder of results. Rules declare these files, scripts read and write them."""

import argparse
from pathlib import Path

from .specs import STORED, Checkpoint, Dataset, Run

CARD = "README.md"  # of a run: what it is, and how other programs read it
# what training leaves of a run, in its folder; run.json, which says what the others were made from, comes last
TRAINED = (
    "model.safetensors",
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    CARD,
    "training.parquet",
    "run.json",
)
SNAPSHOTS = "snapshots.safetensors"  # beside them, of a run that keeps weights on the way
RESULTS = Path("results")  # the folder of results of a study, unless told otherwise
MEASUREMENTS = "measurements.parquet"  # of a run in its folder, and of a study in that of results
FINISHED = "finished"  # the folder beside them, in which they wait until all runs of their job are done
ENCODED = ("tokens.npy", "terms.npy", "lengths.npy", "checksums.json")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that tell a script which runs it is for, and where their files are."""
    parser.add_argument("--cell", required=True, metavar="JSON", help="the specs of a cell's runs")
    parser.add_argument(
        "--results", required=True, type=Path, metavar="FOLDER", help="of data and runs, such as results"
    )


def run_folder(run: Run) -> str:
    return f"runs/{run.slug}"


def trained_files(run: Run) -> list[str]:
    """What training leaves."""
    return [f"{run_folder(run)}/{name}" for name in trained_names(run.recipe.snapshots)]


def trained_names(snapshots: bool) -> list[str]:
    """What training leaves in the folder of a run, with or without weights on the way."""
    *others, record = TRAINED
    return [*others, SNAPSHOTS, record] if snapshots else [*TRAINED]


def model_file(run: Run) -> str:
    return f"{run_folder(run)}/model.safetensors"


def snapshots_file(run: Run) -> str:
    return f"{run_folder(run)}/{SNAPSHOTS}"


def config_file(run: Run) -> str:
    return f"{run_folder(run)}/config.json"


def saved_tokenizer_file(run: Run) -> str:
    """The tokenizer that a run was trained with, beside its model."""
    return f"{run_folder(run)}/tokenizer.json"


def training_log_file(run: Run) -> str:
    return f"{run_folder(run)}/training.parquet"


def record_file(run: Run) -> str:
    return f"{run_folder(run)}/run.json"


def variants_file(run: Run, method: str) -> str:
    return f"{run_folder(run)}/variants/{method}.safetensors"


def measurements_file(run: Run) -> str:
    return f"{run_folder(run)}/{MEASUREMENTS}"


def measurements_path(slug: str, results: Path = RESULTS) -> Path:
    """Of a run by its slug."""
    return results / "runs" / slug / MEASUREMENTS


def extraction_file(run: Run) -> str:
    return f"{run_folder(run)}/extraction.parquet"


def answers_file(run: Run) -> str:
    return f"{run_folder(run)}/answers.parquet"


def people_file(dataset: Dataset, seed: int) -> str:
    return f"data/{dataset.slug}/seed{seed}/people.parquet"


def tokenizer_file(dataset: Dataset) -> str:
    return f"data/{dataset.slug}/tokenizer/tokenizer.json"


def texts_folder(dataset: Dataset, seed: int) -> str | None:
    """Of the encoded texts of bioR and bioG; other datasets have none."""
    return f"data/{dataset.slug}/seed{seed}/encoded" if dataset.kind in STORED else None


def text_files(dataset: Dataset, seed: int) -> list[str]:
    """The encoded texts of bioR and bioG; none of other datasets."""
    folder = texts_folder(dataset, seed)
    return [f"{folder}/{name}" for name in ENCODED] if folder else []


def texts_path(run: Run, results: Path) -> Path | None:
    """Where a script finds the encoded texts of a run."""
    folder = texts_folder(run.dataset, run.seed)
    return results / folder if folder else None


def tokenizer_path(run: Run, results: Path) -> Path:
    """Where a script finds the tokenizer of a run: the dataset's, but a checkpoint brings its own."""
    if isinstance(run.architecture, Checkpoint):
        return Path(run.architecture.folder) / "tokenizer.json"
    return results / tokenizer_file(run.dataset)
