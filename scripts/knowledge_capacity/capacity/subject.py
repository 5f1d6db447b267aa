"""What is measured: a run, its record, its biographies and its model, checked against each other."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from ..data import people, tokenizer
from ..data.stream import Stream, source_of
from ..files import UserError, remake
from ..models import build, store
from ..specs import Run, run_from
from .measure import read_record


@dataclass(frozen=True)
class Subject:
    """A run as its files tell it. record: its run.json. source: its model.safetensors, for errors."""

    run: Run
    record: dict[str, Any]
    stream: Stream
    vocabulary: int
    source: Path

    @staticmethod
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        """The options that say where a run's files are."""
        parser.add_argument("--run", required=True, metavar="JSON", help="the run's spec")
        parser.add_argument("--model", required=True, type=Path, metavar="FILE", help="model.safetensors")
        parser.add_argument("--record", required=True, type=Path, metavar="FILE", help="run.json")
        parser.add_argument("--people", required=True, type=Path, metavar="FILE", help="people.parquet")
        parser.add_argument("--tokenizer", required=True, type=Path, metavar="FILE", help="tokenizer.json")
        parser.add_argument("--texts", type=Path, metavar="FOLDER", help="encoded texts of bioR and bioG")

    @staticmethod
    def read(files: argparse.Namespace) -> Subject:
        """files: the options of add_arguments.

        Raises UserError where one is missing, damaged or of another run, dataset or tokenizer.
        """
        run = run_from(files.run)
        found = read_record(files.record, run)
        tokens = tokenizer.read(files.tokenizer, domain=run.recipe.has_domain_token)
        trained_with = files.model.with_name("tokenizer.json")
        if trained_with.exists() and tokenizer.read(trained_with).get_vocab() != tokens.get_vocab():
            reason = f"has other tokens than {trained_with}, with which this model was trained"
            raise UserError(f"{files.tokenizer}: {reason}. {remake(files.tokenizer)}")
        codes = people.read(files.people, run.dataset, run.seed)
        stream = Stream(source_of(run.dataset, run.seed, codes, files.texts), tokens, run.recipe.junk)
        return Subject(run, found, stream, tokens.get_vocab_size(), files.model)

    def model(self, weights: dict[str, Tensor]) -> nn.Module:
        """The model that weights make. Raises UserError for those of another one."""
        window = self.run.recipe.window
        return store.load(self.source, self.run.architecture, self.vocabulary, window, weights)

    def n_parameters_when_new(self) -> int:
        """P of a run that has no weights."""
        fresh = build.build(self.run.architecture, self.vocabulary, self.run.recipe.window, self.run.seed)
        return build.n_parameters(fresh, self.record["used_tokens"])
