"""The question: from what names a model to a study of it and of a GPT-2 with as many parameters."""

import json
import re
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from ..config import ConfigError, Sources, suggest_name
from ..data import corpus, tokenizer
from ..data.pieces import DOMAIN_TOKEN, END_OF_TEXT
from ..files import UserError
from ..models.build import build_model, n_parameters
from ..models.decoder import Decoder
from ..specs import (
    FULL_PRECISION,
    Adapter,
    AnyArchitecture,
    Architecture,
    Checkpoint,
    Dataset,
    PythonModel,
    Recipe,
    TransformersModel,
)
from ..specs.base import list_values
from ..specs.paper import NAMES, PaperRecipeError
from .study import Study, list_experiments

EXPERIMENT = "comparison"
FUNCTION = re.compile(r".+\.py:\w+")
GPT2 = Architecture(layers=2, heads=1, width=2)
WIDTHS = range(2, 1 << 16, 2)  # rotary embedding wants even ones
MLP_WIDTHS = range(1, 1 << 18)

Values = dict[str, Any]


def parse_model_argument(model: str, arguments: Values, fields: Values) -> AnyArchitecture:
    """The architecture that a word of the command line names.

    model: path/to/file.py:function, a configuration class of transformers, the path of a config.json, or the
    folder of a trained model. arguments: of the function. fields: of the configuration.
    Raises UserError where it is none of these, or where it takes no such values.
    """
    found: AnyArchitecture
    if FUNCTION.fullmatch(model):
        found, others = PythonModel(model, arguments), {"--fields": fields}
    elif model.endswith(".py"):
        raise UserError(f"{model}: which function of this file makes the model? Write {model}:FUNCTION.")
    elif model and Path(model).is_dir():
        found, others = Checkpoint(model), {"--arguments": arguments, "--fields": fields}
        for needed in ("config.json", "tokenizer.json"):
            if not (Path(model) / needed).is_file():
                remedy = (
                    "Give one where transformers saved a trained model and its tokenizer, or a config.json."
                )
                raise UserError(f"{model}: there is no {needed} in this folder. {remedy}")
    elif model.endswith(".json") or model.isidentifier():
        found, others = TransformersModel(model, fields), {"--arguments": arguments}
    else:
        kinds = "path/to/file.py:function, a class such as Qwen3Config, a config.json"
        kinds += ", an architecture such as gpt2-2-1-d12, or a folder that exists"
        raise UserError(f"{model or 'MODEL'}: this names no model. Write {kinds}.")
    for option, values in others.items():
        if values:
            which = "A function takes --arguments, a configuration --fields, a trained model neither."
            raise UserError(f"{option}: {model} has no use for it. {which}")
    return found


def parse_json_option(text: str, option: str) -> Values:
    """The values that an option gives as JSON. Raises UserError for text that holds no keys with values."""
    try:
        values = json.loads(text)
    except ValueError:
        values = None
    if not isinstance(values, dict):
        raise UserError(f"""{option} {text}: these are no values in JSON. Write '{{"width": 16}}'.""")
    return values


def read_configuration(overlays: Sequence[Path]) -> tuple[Values, list[Path]]:
    """config.yaml with overlays merged over it, as Snakemake merges them, and the files.

    Raises UserError for files that cannot be read.
    """
    files = [Path("config.yaml"), *(path.resolve() for path in overlays)]
    return merge_files(files), files


def merge_files(files: Sequence[Path]) -> Values:
    """Files of configuration merged, the last one on top. Raises UserError for those that cannot be read."""
    config: Values = {}
    for file in files:
        try:
            config = _merge_values(config, Sources.of_file(file).config)
        except ConfigError as error:
            raise UserError(str(error)) from error
    return config


def make_study(config: Values, files: Sequence[Path]) -> Study:
    """The checked study of a configuration. Raises UserError, with a line for each thing wrong."""
    try:
        return Study(config, files, list_experiments())
    except ConfigError as error:
        raise UserError(f"the configuration cannot be used:\n{error}") from error


def find_dataset_and_recipe(
    study: Study, dataset: str, recipe: str, architecture: AnyArchitecture
) -> tuple[Dataset, Recipe]:
    """The dataset and the recipe (the first of its learning rates) of these names; UserError for others."""
    config = study.config
    if dataset not in config.datasets:
        remedy = suggest_name(dataset, config.datasets)
        raise UserError(f"--dataset {dataset}: the configuration has no such dataset. {remedy}")
    if recipe not in config.recipes and recipe not in NAMES:
        remedy = suggest_name(recipe, [*config.recipes, *NAMES])
        raise UserError(f"--recipe {recipe}: the configuration has no such recipe. {remedy}")
    try:
        found = config.datasets[dataset]
        return found, config.each(recipe, found, architecture)[0]
    except PaperRecipeError as error:
        raise UserError(f"--recipe {recipe}: {error}. Choose another recipe or dataset.") from error


def find_architecture(study: Study, name: str) -> AnyArchitecture:
    """The architecture of a name: an entry's, or a standard one's. Raises UserError for other names."""
    found = study.config.architecture(name)
    if not found:
        remedy = f"{suggest_name(name, study.config.architectures)} Or write one such as gpt2-2-1."
        raise UserError(f"{name}: the configuration has no such architecture. {remedy}")
    return found


@dataclass(frozen=True)
class TextStatistics:
    """What a model meets in a dataset: rows of its embedding, tokens that occur, lengths of biographies."""

    vocabulary: int
    used: int
    shortest: int
    longest: int


def text_statistics(dataset: Dataset, recipe: Recipe, architecture: AnyArchitecture) -> TextStatistics:
    """The texts of a dataset, by a sample, as the run's tokenizer cuts them; a checkpoint brings its own.

    Raises UserError for a tokenizer that does not suit the dataset.
    """
    sample = corpus.sample_biographies(dataset)
    whole = ["".join(pieces) for pieces in sample]
    if isinstance(architecture, Checkpoint):
        name = f"{architecture.folder}/tokenizer.json"
        made = tokenizer.read_tokenizer(Path(name), domain=recipe.has_domain_token)
    else:
        name = dataset.tokenizer
        made = tokenizer.make_tokenizer(
            name, corpus.vocabulary_texts(dataset), whole, corpus.has_closed_vocabulary(dataset)
        )
    tokenizer.check_tokenizer(made, name, sample)
    encoded = made.encode_batch(whole, add_special_tokens=False)
    end = made.get_vocab()[END_OF_TEXT]
    domain = int(recipe.has_domain_token and not isinstance(architecture, Checkpoint))
    if domain:
        made.add_special_tokens([DOMAIN_TOKEN])
    lengths = [len(one.ids) for one in encoded]
    used = {end, *(token for one in encoded for token in one.ids)}
    return TextStatistics(
        tokenizer.embedding_rows(made), len(used) + domain, min(lengths), max(lengths) + domain
    )


def count_parameters(architecture: AnyArchitecture, texts: TextStatistics, window: int) -> int:
    """The parameters of a model, before anything is trained; those of a decoder take no memory."""
    if isinstance(architecture, Architecture):
        with torch.device("meta"):
            return n_parameters(Decoder(architecture, texts.vocabulary, window), texts.used)
    return n_parameters(build_model(architecture, texts.vocabulary, window, seed=0), texts.used, window)


def nearest_gpt2(wanted: int, texts: TextStatistics) -> Architecture:
    """The GPT-2 of 2 layers and 1 head whose number of parameters is nearest to `wanted`.

    First its width, then the inner width of its MLP, since even widths alone can miss by a seventh.
    """

    def size(architecture: Architecture) -> int:
        return count_parameters(architecture, texts, window=1)

    width = _nearest_choice(WIDTHS, wanted, lambda d: size(replace(GPT2, width=d)))
    plain = replace(GPT2, width=width)
    inner = _nearest_choice(MLP_WIDTHS, wanted, lambda m: size(replace(plain, mlp_width=m)))
    return replace(plain, mlp_width=inner).settled


def make_overlay(
    config: Values,
    architectures: Sequence[AnyArchitecture],
    dataset: str,
    recipe: str,
    exposures: int | None,
    seeds: list[int],
    adapter: Adapter | None = None,
) -> Values:
    """What is to be merged over a configuration for a study of these architectures alone.

    exposures: to replace the recipe's. adapter: to be trained in place of the models. Raises UserError for one of the
    paper's recipes with others.
    """
    recipes = {}
    if exposures is not None:
        if recipe in NAMES:
            raise UserError(
                f"--exposures {exposures}: the exposures of {recipe} are the paper's. Leave it out."
            )
        if config["recipes"][recipe].get("steps"):
            raise UserError(
                f"--exposures {exposures}: {recipe} trains for its steps, whatever the exposures."
            )
    if adapter and recipe in NAMES:
        raise UserError(
            f"--adapter: {recipe} is a recipe of the paper's, which trains whole models. Name another."
        )
    if exposures is not None or adapter:
        values = dict(config["recipes"][recipe])
        if exposures is not None:
            recipe, values["exposures"] = f"{recipe}-{exposures}", exposures
        if adapter:
            recipe, values["adapter"] = f"{recipe}{adapter.slug}", list_values(adapter)
        recipes = {recipe: values}
    entries = {a.slug: {key: v for key, v in asdict(a).items() if v is not None} for a in architectures}
    grid = {"datasets": [dataset], "architectures": list(entries), "recipes": [recipe]}
    wanted = {"seeds": seeds, "variants": [FULL_PRECISION], "grids": [grid]}
    experiments = {**dict.fromkeys(config["experiments"]), EXPERIMENT: wanted}
    return {"architectures": entries, "recipes": recipes, "experiments": experiments, "only": None}


def _merge_values(below: Any, above: Any) -> Any:
    if not isinstance(above, dict):
        return above
    kept = below if isinstance(below, dict) else {}
    return {**kept, **{key: _merge_values(kept.get(key), value) for key, value in above.items()}}


def _nearest_choice(choices: Sequence[int], wanted: int, size: Callable[[int], int]) -> int:
    above = bisect_left(choices, wanted, key=size)
    return min(choices[max(0, above - 1) : above + 1], key=lambda choice: abs(size(choice) - wanted))
