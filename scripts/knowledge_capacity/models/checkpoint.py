"""Trained models from elsewhere: every weight of a folder that transformers saved has its place, or none is read."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .. import tensorfile
from ..files import UserError
from ..quiet import suppress_warnings
from ..specs import Checkpoint
from ..tensorfile import DamagedFileError

CONFIG, WEIGHTS, INDEX = "config.json", "model.safetensors", "model.safetensors.index.json"
ADAPTER = "adapter_config.json"
# what torch.compile, FSDP and activation checkpointing put into the names of weights, and DDP before them
WRAPPERS = {"_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module", "_forward_module"}
OUTERMOST = "module"
QUANTIZED = ("quantization_config", "compression_config")  # in config.json, at any depth
# masks, positions and angles, which older versions of transformers saved too, and which follow from config.json
CONSTANT = re.compile(r"(rotary_emb\.inv_freq|position_ids)$")
MASK = re.compile(r"(attn|attention)\.(masked_)?bias$")  # of no or of four dimensions; one of a layer has one
NAMED = 3  # weights in a message
SILENT = 50  # logging's level for what ends a program

Say = Callable[[str], None]


def read_checkpoint(architecture: Checkpoint, say: Say = lambda line: None) -> nn.Module:
    """The model in a folder that transformers loads, in float32, with the numbers that transformers gives it.

    say: is told which parts of the weights' names were taken off, and where a head is not tied though config.json
    says so. Raises UserError for a folder without such a model, for weights that are missing, left over, of
    another shape, quantised or packed, and for an adapter beside them.
    """
    with suppress_warnings():  # of torchao, which it imports
        import transformers.modeling_utils
    from transformers.utils import logging

    folder = Path(architecture.folder)
    verbosity, shows_progress = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(SILENT)  # what it would only report is an error here
    logging.disable_progress_bar()
    try:
        config = _read_config(folder)
        file = _weights_file(folder, config)
        weights = _take_off_wrappers(file, _read_files(file), say)
        empty: Any = None
        try:
            with torch.device("meta"):
                empty = transformers.AutoModelForCausalLM.from_config(config, trust_remote_code=False)
            # copies, since what it does to the weights that it keeps would else be done to those it is held against
            model: Any = type(empty).from_pretrained(
                None,
                config=config,
                state_dict={name: tensor.clone() for name, tensor in weights.items()},
                dtype=torch.float32,
                ignore_mismatched_sizes=True,
            )
        except Exception as error:  # the library raises many kinds
            if empty is not None:  # then the weights may be the reason
                _refuse_other_weights(file, weights, empty)
            raise UserError(
                f"{folder}: transformers cannot load this checkpoint ({_in_one_line(error)})."
            ) from error
    finally:
        logging.set_verbosity(verbosity)
        if shows_progress:
            logging.enable_progress_bar()
    _refuse_other_weights(file, weights, model)
    head = model.get_output_embeddings()
    if (
        getattr(config, "tie_word_embeddings", False)
        and head
        and head.weight is not model.get_input_embeddings().weight
    ):
        say(f"{folder}: its head differs from its embedding, so they count as two, though {CONFIG} ties them")
        model.config.tie_word_embeddings = False
    return model


def _read_config(folder: Path) -> Any:
    """The configuration of a folder, of plain weights without an adapter."""
    from transformers import AutoConfig

    path = folder / CONFIG
    if not path.is_file():
        raise UserError(f"{folder}: no checkpoint of transformers is here (there is no {CONFIG}).")
    try:
        values = json.loads(path.read_text())
        found = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # the library raises many kinds
        raise UserError(
            f"{folder}: transformers cannot load this checkpoint ({_in_one_line(error)})."
        ) from error
    if key := next((key for key in _all_keys(values) if key in QUANTIZED), None):
        reason = f"{key} says that its weights are quantised, and what is measured here are plain ones"
        remedy = (
            "Give the model from before (quantizers of a study store it in fewer bits), or one dequantised."
        )
        raise UserError(f"{path}: {reason}. {remedy} If its weights are plain all the same, remove {key}.")
    if (folder / ADAPTER).exists():
        reason = "an adapter lies beside the weights, and is no part of them"
        remedy = f"Merge it (merge_and_unload of peft) and save that, or move {ADAPTER} away."
        raise UserError(f"{folder}: {reason}. {remedy}")
    return found


def _weights_file(folder: Path, config: Any) -> Path:
    """The file that holds the weights or lists the files that do, in the order in which transformers looks."""
    for name in (getattr(config, "transformers_weights", None), WEIGHTS, INDEX):
        if name and (folder / name).is_file():
            return folder / name
    raise UserError(f"{folder}: there is no {WEIGHTS} and no {INDEX}. Save the model with save_pretrained.")


def stored_bits(architecture: Checkpoint) -> float:
    """How many bits the files of a checkpoint spend on a weight, on average."""
    folder = Path(architecture.folder)
    weights = _read_files(_weights_file(folder, _read_config(folder))).values()
    return sum(8 * one.nbytes for one in weights) / sum(one.numel() for one in weights)


def _all_keys(values: Any) -> Iterator[str]:
    """The keys of a configuration and of those in it that hold something."""
    if isinstance(values, dict):
        for key, value in values.items():
            if value:
                yield key
            yield from _all_keys(value)


def _read_files(file: Path) -> dict[str, Tensor]:
    """All tensors of a checkpoint. Raises UserError for a part that is missing, damaged or there twice."""
    parts = [file]
    if file.suffix == ".json":
        try:
            names = sorted(set(json.loads(file.read_text())["weight_map"].values()))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(
                f"{file}: it lists no files of weights ({error!r}). Save the model anew."
            ) from error
        parts = [file.with_name(Path(name).name) for name in names]
    found: dict[str, Tensor] = {}
    for part in parts:
        try:
            tensors, _ = tensorfile.read_tensors(part)
        except (DamagedFileError, OSError) as error:
            raise UserError(
                f"{part}: not a whole weights file ({error}). Copy the checkpoint anew."
            ) from error
        if twice := found.keys() & tensors.keys():
            raise UserError(f"{part}: {min(twice)} is in another file too. Save the model anew.")
        found |= tensors
    return found


def _take_off_wrappers(file: Path, weights: dict[str, Tensor], say: Say) -> dict[str, Tensor]:
    """The weights under the names that they have without wrappers."""
    outer = bool(weights) and all(
        next(part for part in [*name.split("."), ""] if part not in WRAPPERS) == OUTERMOST for name in weights
    )
    renamed: dict[str, str] = {}
    taken: Counter[str] = Counter()
    for name in weights:
        parts = name.split(".")
        kept = [part for part in parts if part not in WRAPPERS]
        if outer:
            kept = kept[1:]
        taken.update((Counter(parts) - Counter(kept)).keys())
        renamed[name] = ".".join(kept)
    if not taken:
        return weights
    if twice := [name for name, n in Counter(renamed.values()).items() if n > 1]:
        reason = f"{twice[0]} is there twice, with and without {', '.join(sorted(taken))} in its name"
        raise UserError(f"{file}: {reason}. Save the model without the wrapper.")
    said = ", ".join(f"{part}. ({n} weights)" for part, n in sorted(taken.items()))
    say(f"{file}: taken off the names of its weights, as parts that wrappers put there: {said}")
    return {renamed[name]: tensor for name, tensor in weights.items()}


def _refuse_other_weights(file: Path, weights: dict[str, Tensor], model: Any) -> None:
    """Raise UserError unless these are all weights of a model, and it holds their numbers; an empty one holds none."""
    prefix = f"{model.base_model_prefix}." if model.base_model_prefix else ""

    def plain(name: str) -> str:  # a model saved without its head has names without this prefix
        while prefix and name.startswith(prefix):
            name = name.removeprefix(prefix)
        return name

    theirs = {plain(name): (name, tensor) for name, tensor in weights.items()}
    as_saved = [{plain(name): (name, t) for name, t in one.items()} for one in _saved_forms(model)]
    ours = min(as_saved, key=lambda one: len(one.keys() ^ theirs.keys()))
    present = {id(tensor) for name, (_, tensor) in ours.items() if name in theirs}
    missing = [full for name, (full, t) in ours.items() if name not in theirs and id(t) not in present]
    extra = [full for name, (full, t) in theirs.items() if name not in ours and not _is_constant(name, t)]
    problems = [
        *([f"{_list_names(missing)} missing"] if missing else []),
        *([f"{_list_names(extra)} left over"] if extra else []),
    ]
    if not problems:
        problems = list(_other_numbers((theirs[name], ours[name][1]) for name in theirs.keys() & ours.keys()))
    if problems:
        reason = f"these are not the weights of the {type(model).__name__} that {CONFIG} describes"
        remedy = "Give the folder in which save_pretrained left this model."
        raise UserError(f"{file}: {reason}: {'; '.join(problems)}. {remedy}")


def _is_constant(name: str, tensor: Tensor) -> bool:
    return bool(CONSTANT.search(name) or (tensor.dim() in (0, 4) and MASK.search(name)))


def _saved_forms(model: Any) -> list[dict[str, Tensor]]:
    """A model's weights under the names that save_pretrained gives them, and under those in memory.

    A tied weight is the same tensor under each of its names.
    """
    from transformers.core_model_loading import revert_weight_conversion

    own = model.state_dict(keep_vars=True)
    with torch.no_grad():
        saved = revert_weight_conversion(model, dict(own))
    return [saved, own]


def _other_numbers(pairs: Iterator[tuple[tuple[str, Tensor], Tensor]]) -> Iterator[str]:
    """What is wrong with the first tensor that is not what the model holds. pairs: of the file, and of the model."""
    for (name, given), held in sorted(pairs, key=lambda pair: pair[0][0]):
        if given.shape != held.shape:
            yield f"{name} has the shape {(*given.shape,)}, not {(*held.shape,)}"
        elif held.is_floating_point() and not (given.is_floating_point() and given.itemsize > 1):
            yield f"{name} holds {given.dtype}, codes of a quantiser and no weights"
        elif not given.isfinite().all():
            yield f"{name} holds NaN or infinity"
        elif not held.is_meta and not torch.equal(given.to(held.dtype), held.detach()):
            yield f"{name} has other numbers in the model that transformers makes of it"
        else:
            continue
        return


def _in_one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def _list_names(names: list[str]) -> str:
    """So many, with the first of them."""
    said = ", ".join(sorted(names)[:NAMED])
    return f"{len(names)} ({said}{', …' if len(names) > NAMED else ''})"
