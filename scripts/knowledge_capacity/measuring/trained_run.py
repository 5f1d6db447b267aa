"""What is measured: a run, its record, its biographies and its model, checked against each other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .. import layout
from ..data import tokenizer
from ..data.reading import read_data
from ..data.stream import Stream
from ..files import UserError, remake_remedy
from ..models import build, store
from ..specs import PythonModel, Run, TransformersModel
from .result_row import read_record


@dataclass(frozen=True)
class TrainedRun:
    """A run as its files tell it. record: its run.json. source: its model.safetensors, for errors."""

    run: Run
    record: dict[str, Any]
    stream: Stream
    vocabulary: int
    source: Path

    @staticmethod
    def read(run: Run, results: Path) -> TrainedRun:
        """results: the folder of results.

        Raises UserError where a file is missing, damaged or of another run, dataset or tokenizer.
        """
        found = read_record(results / layout.record_file(run), run)
        model, file = results / layout.model_file(run), layout.tokenizer_path(run, results)
        trained_with = model.with_name("tokenizer.json")
        if trained_with.exists():
            tokens = tokenizer.read_tokenizer(file, domain=run.recipe.has_domain_token)
            if tokenizer.read_tokenizer(trained_with).get_vocab() != tokens.get_vocab():
                reason = f"has other tokens than {trained_with}, with which this model was trained"
                raise UserError(f"{file}: {reason}. {remake_remedy(file)}")
        stream, tokens = read_data(run, results)
        return TrainedRun(run, found, stream, tokenizer.embedding_rows(tokens), model)

    def model(self, weights: dict[str, Tensor]) -> nn.Module:
        """The model that weights make. Raises UserError for those of another one."""
        window = self.run.recipe.window
        return store.load_model(self.source, self.run.architecture, self.vocabulary, window, weights)

    def count_parameters(self, model: nn.Module) -> int:
        """P of a model with the run's weights. Of a user's model, buffers that training has changed count too."""
        found = build.n_parameters(model, self.record["used_tokens"], self.run.recipe.window)
        if isinstance(self.run.architecture, PythonModel | TransformersModel):
            fresh = dict(build.kept_buffers(build.build_run_model(self.run, self.vocabulary)))
            kept = build.kept_buffers(model)
            found += sum(one.numel() for name, one in kept if not torch.equal(one.cpu(), fresh[name]))
        return found

    def n_parameters_when_new(self) -> int:
        """P of a run that has no weights."""
        fresh = build.build_model(
            self.run.architecture, self.vocabulary, self.run.recipe.window, self.run.seed
        )
        return build.n_parameters(fresh, self.record["used_tokens"], self.run.recipe.window)
