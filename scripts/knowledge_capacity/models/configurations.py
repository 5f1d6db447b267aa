"""Configurations of transformers' models, settled once, when a study or a command is read.

What comes out is a class and the fewest fields that make the same model. So two ways to write one model have one name,
and runs keep nothing of what was left out.
"""

import copy
import difflib
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..files import UserError
from ..specs import TransformersModel
from .configuration_fields import (
    DECIDED,
    WRITTEN,
    RefusedConfigurationError,
    Values,
    check_effects,
    check_names,
    fewest_fields,
    known_names,
    leave_out_decided,
    list_names,
    make_configuration,
    name_as_class,
    try_configuration,
)

TEXT_PARTS = ("text_config", "decoder_config")  # of a configuration of several models
IDS = ("bos_token_id", "eos_token_id", "pad_token_id")


@dataclass(frozen=True)
class Settled:
    """An architecture as a class with the fewest fields, and what is to be said of the fields that were given."""

    architecture: TransformersModel
    notes: tuple[str, ...]


def settle_architecture(architecture: TransformersModel) -> Settled:
    """The one spec of the model that a spec describes. Raises RefusedConfigurationError."""
    what = architecture.config
    kind, values, chosen = _read_given(architecture)
    notes: list[str] = []
    kind, values, chosen = _take_text_part(what, kind, values, chosen, notes)
    values, chosen = name_as_class(what, kind, values, chosen)
    values = leave_out_decided(what, values, notes)
    with _collect_warnings() as heard:  # the first time says it all
        config = make_configuration(what, kind, values)
        said = list(dict.fromkeys(heard))
        check_names(what, kind, values, notes)
        config = make_configuration(what, kind, values)
        _check_causal_class(what, config)
        values = check_effects(what, kind, values, chosen, config, notes)
        fewest = fewest_fields(kind, values)
    notes += [f"{what}: transformers says: {line}" for line in said]
    return Settled(TransformersModel(kind.__name__, fewest), tuple(notes))


@contextmanager
def _collect_warnings() -> Iterator[list[str]]:
    """What transformers warns of, in place of its printing that."""
    heard: list[str] = []
    logger, handler = logging.getLogger("transformers"), logging.Handler(logging.WARNING)
    handler.emit = lambda record: heard.append(" ".join(record.getMessage().split()))  # type: ignore[method-assign]
    before, propagate = logger.handlers, logger.propagate
    logger.handlers, logger.propagate = [handler], False
    try:
        yield heard
    finally:
        logger.handlers, logger.propagate = before, propagate


def make_config(architecture: TransformersModel, vocabulary: int, window: int) -> Any:
    """The configuration of a settled architecture for so many tokens. Raises RefusedConfigurationError."""
    what = architecture.config
    kind = _find_class(what, what)
    config = make_configuration(what, kind, architecture.fields)
    config.vocab_size, config.use_cache = vocabulary, False
    if hasattr(config, "decoder_vocab_size"):
        config.decoder_vocab_size = vocabulary
    for name in IDS:  # those of another tokenizer; `store.write_model` puts ours in
        _set_unchecked(config, name, None)
    places = "max_position_embeddings"
    if places in known_names(kind) and (getattr(config, places) or window) < window:
        config.max_position_embeddings = window
    return config


def saved_values(config: Any, end: int) -> Values:
    """The values of a configuration that a saved model's config.json has. end: the id of the tokenizer's end."""
    values: Values = {name: value for name, value in config.to_dict().items() if name != "auto_map"}
    ids = {"bos_token_id": end, "eos_token_id": end}
    if values.get("pad_token_id") is None and not _takes_none(type(config), "pad_token_id"):
        ids["pad_token_id"] = end  # nothing is padded, but transformers reads no file without
    return {**values, **ids}


def _read_given(architecture: TransformersModel) -> tuple[Any, Values, set[str]]:
    """The class, all values that are given, and the names of those that are not a file's."""
    what = architecture.config
    chosen = copy.deepcopy(architecture.fields)
    if not what.endswith(".json"):
        return _find_class(what, what), chosen, set(chosen)
    path = Path(what)
    if not path.is_file():
        raise UserError(f"{path}: there is no such file. Write the path of a config.json, or a class.")
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        model_type = values.get("model_type")
    except (OSError, ValueError, AttributeError) as error:
        raise UserError(
            f"{path}: it is no configuration ({error}). Write the path of a config.json."
        ) from error
    if not model_type:
        raise UserError(f"{path}: it has no model_type, so transformers cannot tell which model it is.")
    from transformers import CONFIG_MAPPING

    if model_type not in CONFIG_MAPPING:
        near = difflib.get_close_matches(str(model_type), CONFIG_MAPPING.keys(), n=1)
        remedy = f"Did you mean {near[0]!r}?" if near else "Models with code of their own cannot be made."
        raise UserError(f"{path}: transformers has no model_type {model_type!r}. {remedy}")
    return CONFIG_MAPPING[model_type], {**values, **chosen}, set(chosen)


def _find_class(what: str, name: str) -> Any:
    import transformers

    found = getattr(transformers, name, None)
    if not (isinstance(found, type) and issubclass(found, transformers.PretrainedConfig)):
        remedy = "Write one that it has, such as Qwen3Config, or the path of a config.json."
        raise UserError(f"{what}: transformers has no such class. {remedy}")
    return found


def _take_text_part(
    what: str, kind: Any, values: Values, chosen: set[str], notes: list[str]
) -> tuple[Any, Values, set[str]]:
    """Of a model of texts and images or sounds, the class and the values of what reads texts, where it can be alone."""
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, AutoConfig

    parts = getattr(kind, "sub_configs", {})
    key = next((name for name in TEXT_PARTS if name in parts), "")
    part: Any = parts.get(key)
    if part is AutoConfig:  # of any class, which the values say, or this class's usual one
        made = try_configuration(kind, {key: values[key]} if values.get(key) else {})
        part = type(getattr(made, key, None))
    if part not in MODEL_FOR_CAUSAL_LM_MAPPING or not isinstance(values.get(key) or {}, dict):
        return kind, values, chosen
    outer, inner = known_names(kind), known_names(part)
    nested = dict(values.get(key) or {})
    meant = chosen - outer  # as if written inside
    own = {**nested, **{name: values[name] for name in meant}}
    tied = "tie_word_embeddings"
    if tied in values and tied in inner:
        own[tied] = values[tied]  # whose word transformers takes
    others = sorted(values.keys() - meant - {key, tied} - DECIDED.keys() - WRITTEN)
    left = f", without {list_names(others)}" if others else ""
    notes.append(f"{what}: only what reads texts is made, its {key} ({part.__name__}){left}")
    return part, own, meant | (set(nested) if key in chosen else set()) | (chosen & {tied})


def _check_causal_class(what: str, config: Any) -> None:
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING

    if type(config) not in MODEL_FOR_CAUSAL_LM_MAPPING:
        reason = f"transformers has no causal language model of a {type(config).__name__}"
        raise RefusedConfigurationError(what, None, reason, "Name one of docs/model-classes.md.")


def _set_unchecked(config: Any, name: str, value: Any) -> None:
    """Set a value that a strict class may refuse, though its model takes it."""
    name = type(config).attribute_map.get(name, name)
    try:
        setattr(config, name, value)
    except Exception:  # of many kinds
        vars(config)[name] = value


def _takes_none(kind: Any, name: str) -> bool:
    return try_configuration(kind, {name: None}) is not None
