"""Models other than the study's decoder: from a Python function, from transformers."""

import difflib
import hashlib
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..files import UserError
from ..quiet import suppress_warnings
from ..specs import PythonModel, TransformersModel
from . import configurations


def build_external_model(
    architecture: PythonModel | TransformersModel, vocabulary: int, window: int
) -> nn.Module:
    """A fresh model, drawn by torch's default generator. Raises UserError where none can be made."""
    what = architecture.function if isinstance(architecture, PythonModel) else architecture.config
    try:
        if isinstance(architecture, PythonModel):
            model = _call_function(architecture, vocabulary, window)
        else:
            model = _build_transformers_model(architecture, vocabulary, window)
    except UserError:
        raise
    except Exception as error:  # whatever the user's code or values make the library raise
        said = " ".join(str(error).split())
        if isinstance(architecture, TransformersModel) and (
            unknown := _find_unknown_word(architecture, error)
        ):
            raise UserError(f"{what}: {unknown}") from error
        raise UserError(f"{what}: it makes no model ({type(error).__name__}: {said}).") from error
    if not isinstance(model, nn.Module):
        raise UserError(f"{what}: it gives {type(model).__name__}, not a torch module.")
    _check_weights(model, what)
    return model


def _find_unknown_word(architecture: TransformersModel, error: Exception) -> str | None:
    """Which field has a word that the library does not know, such as that of an activation, with the remedy."""
    for name, value in architecture.fields.items():
        if isinstance(error, KeyError) and isinstance(value, str) and value in error.args:
            from transformers.activations import ACT2FN  # only here: it takes seconds

            near = difflib.get_close_matches(value, ACT2FN, n=1) if "act" in name else []
            remedy = f"Did you mean {near[0]!r}?" if near else "Write a word that its class knows."
            return f"{name} = {value!r}: transformers knows no such word. {remedy}"
    return None


def _check_weights(model: nn.Module, what: str) -> None:
    """Raise UserError unless all weights are there, in the precision that records and tables speak of."""
    for name, parameter in model.named_parameters():
        if nn.parameter.is_lazy(parameter):
            reason = f"its weight {name} has no size before it has read a text"
            raise UserError(f"{what}: {reason}. Give its layer all sizes, as nn.Linear takes them.")
        if parameter.dtype != torch.float32:
            reason = (
                f"its weight {name} is {parameter.dtype}, and weights are trained and saved in torch.float32"
            )
            remedy = "Make it so; `precision` of a recipe says in what training computes."
            raise UserError(f"{what}: {reason}. {remedy}")


def _call_function(architecture: PythonModel, vocabulary: int, window: int) -> Any:
    usual = torch.get_default_dtype()
    try:
        return load_function(architecture)(vocabulary, window, **architecture.arguments)
    finally:
        torch.set_default_dtype(usual)  # which the function may have changed for all that comes after


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
    with suppress_warnings():  # of torchao, which it imports
        import transformers.modeling_utils

    settled = configurations.settle_architecture(architecture).architecture
    config = configurations.make_config(settled, vocabulary, window)
    return transformers.AutoModelForCausalLM.from_config(config, trust_remote_code=False, dtype=torch.float32)
