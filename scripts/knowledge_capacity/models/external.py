"""Models other than the study's decoder: from a Python function, from transformers."""

import hashlib
import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import nn

from ..files import UserError
from ..specs import PythonModel, TransformersModel


def build_external_model(
    architecture: PythonModel | TransformersModel, vocabulary: int, window: int
) -> nn.Module:
    """A fresh model, drawn by torch's default generator. Raises UserError where none can be made."""
    what = architecture.function if isinstance(architecture, PythonModel) else architecture.config
    try:
        if isinstance(architecture, PythonModel):
            model = load_function(architecture)(vocabulary, window, **architecture.arguments)
        else:
            model = _build_transformers_model(architecture, vocabulary, window)
    except UserError:
        raise
    except Exception as error:  # whatever the user's code or values make the library raise
        said = str(error).partition("\n")[0]
        raise UserError(f"{what}: it makes no model ({type(error).__name__}: {said}).") from error
    if not isinstance(model, nn.Module):
        raise UserError(f"{what}: it gives {type(model).__name__}, not a torch module.")
    return model


def load_function(architecture: PythonModel) -> Callable[..., Any]:
    """The function that the architecture names; its file is run, since the user named it.

    Raises UserError where the file or the function is missing, or the file does not run.
    """
    name, _, attribute = architecture.function.rpartition(":")
    path = Path(name)
    if not path.is_file():
        raise UserError(f"{architecture.function}: there is no file {name}. Write path/to/file.py:function.")
    unlike_others = f"model_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]}"
    specification = importlib.util.spec_from_file_location(unlike_others, path)
    assert specification
    assert specification.loader
    module = importlib.util.module_from_spec(specification)
    sys.modules[module.__name__] = module  # where dataclasses look for what annotations mean
    beside = str(path.parent.resolve())
    sys.path.insert(0, beside)  # so that it can import files beside it
    try:
        specification.loader.exec_module(module)
    except Exception as error:  # the user's code may raise anything
        raise UserError(f"{name}: this file does not run ({type(error).__name__}: {error}).") from error
    finally:
        sys.path.remove(beside)
    found = getattr(module, attribute, None)
    if not callable(found):
        raise UserError(f"{architecture.function}: {name} has no function {attribute!r}.")
    return found


def _build_transformers_model(architecture: TransformersModel, vocabulary: int, window: int) -> nn.Module:
    import transformers

    if architecture.config.endswith(".json"):
        path = Path(architecture.config)
        if not path.is_file():
            raise UserError(f"{path}: there is no such file. Write the path of a config.json, or a class.")
        values = json.loads(path.read_text())
        kind = values.pop("model_type", None)
        if not kind:
            raise UserError(f"{path}: it has no model_type, so transformers cannot tell which model it is.")
        config = transformers.AutoConfig.for_model(kind, **{**values, **architecture.fields})
    else:
        found = getattr(transformers, architecture.config, None)
        if not (isinstance(found, type) and issubclass(found, transformers.PretrainedConfig)):
            raise UserError(f"{architecture.config}: transformers has no such configuration class.")
        config = found(**architecture.fields)
    config.vocab_size, config.use_cache = vocabulary, False
    for field in ("bos_token_id", "eos_token_id", "pad_token_id"):
        setattr(config, field, None)  # the numbers of another tokenizer; `store.write_model` puts ours in
    if getattr(config, "max_position_embeddings", window) < window:
        config.max_position_embeddings = window
    return transformers.AutoModelForCausalLM.from_config(config, trust_remote_code=False)
