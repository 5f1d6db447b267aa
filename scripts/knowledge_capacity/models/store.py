"""Saved runs: a folder that transformers loads, and that the later stages read."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from .. import tensorfile
from ..files import UserError, remake_remedy, write_json
from ..specs import AnyArchitecture, Architecture, PythonModel, Run, to_json
from ..tensorfile import DamagedFileError
from . import configurations, interchange
from .build import build_model, token_weights
from .decoder import Decoder
from .experts import Mixture

# in config.json, names of weights
OUTSIDE = "not_quantized"  # matrices that no quantiser touches: embeddings, head and routers
IDLE = "no_parameters"  # buffers, and what makes a transformers class do nothing where a decoder has no MLP
DIVERGED = "diverged"


class Diverged(UserError):
    """The run has no weights, since its training diverged."""


def write_model(folder: Path, model: nn.Module, run: Run, end_token: int) -> None:
    """Write weights and config.json of a trained model, which is moved to the CPU."""
    model = model.to("cpu")
    weights, outside = saved_weights(model)
    idle = sorted(weights.keys() - _saved_parameter_names(model))
    vocabulary = len(next(token_weights(model)))
    config = _model_config(model, run, vocabulary, end_token)
    write_json(folder / "config.json", {**config, OUTSIDE: sorted(outside), IDLE: idle})
    tensorfile.write_tensors(folder / "model.safetensors", weights, {"format": "pt"})


def saved_weights(model: nn.Module) -> tuple[dict[str, Tensor], set[str]]:
    """The weights as they are saved, and the names of those that quantisers leave alone.

    A decoder's have the names that transformers gives them, any other model's its own.
    """
    kept = {id(weight) for weight in token_weights(model)}
    for module in model.modules():
        if isinstance(module, nn.Embedding):
            kept.add(id(module.weight))
        if isinstance(module, Mixture):
            kept.add(id(module.router.weight))
    weights: dict[str, Tensor] = {}
    outside: set[str] = set()
    for name, tensor in _distinct_weights(model).items():
        saved = export_weight(model, name, tensor)
        weights |= saved
        if id(tensor) in kept:
            outside.update(saved)
    if isinstance(model, Decoder):
        weights |= interchange.constant_weights(model.architecture)
    return weights, outside


def export_weight(model: nn.Module, name: str, tensor: Tensor) -> dict[str, Tensor]:
    """One weight of a model as what it is when saved: of experts, a matrix each."""
    saved = {name: tensor.detach().contiguous()}
    return interchange.export_weights(model.architecture, saved) if isinstance(model, Decoder) else saved


def write_snapshots(path: Path, snapshots: Mapping[str, Tensor], diverged: str = "") -> None:
    """Write weights on the way, by "snapshot/weight"; of a run that diverged, none but why."""
    texts = {DIVERGED: diverged} if diverged else {"format": "pt"}
    tensorfile.write_tensors(path, {} if diverged else snapshots, texts)


def read_snapshots(path: Path, names: Sequence[str]) -> dict[str, dict[str, Tensor]]:
    """By snapshot, its weights by name. Raises UserError for a damaged file and for one without these snapshots."""
    try:
        tensors, _ = tensorfile.read_tensors(path)
    except (DamagedFileError, OSError) as error:
        raise UserError(f"{path}: not a whole weights file ({error}). {remake_remedy(path)}") from error
    found: dict[str, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        snapshot, _, name = key.partition("/")
        found.setdefault(snapshot, {})[name] = tensor
    if missing := [name for name in names if name not in found]:
        raise UserError(f"{path}: there is no snapshot {', '.join(missing)} in it. {remake_remedy(path)}")
    return {name: found[name] for name in names}


def write_diverged(folder: Path, run: Run, reason: str) -> None:
    """Write a weights file without weights that says why, so that later stages can tell of it."""
    write_json(folder / "config.json", {"architecture": json.loads(to_json(run.architecture))})
    tensorfile.write_tensors(folder / "model.safetensors", {}, {DIVERGED: reason})


def read_weights(path: Path) -> dict[str, Tensor]:
    """The weights of a saved run, by name.

    Raises Diverged for a run without any, UserError for a damaged file and weights that are not numbers.
    """
    try:
        weights, texts = tensorfile.read_tensors(path)
    except (DamagedFileError, OSError) as error:
        raise UserError(f"{path}: not a whole weights file ({error}). {remake_remedy(path)}") from error
    if DIVERGED in texts:
        raise Diverged(f"{path}: this run has no weights: {texts[DIVERGED]}")
    idle = _read_names(path.with_name("config.json"), IDLE)  # a mask may well hold infinity
    for name, tensor in weights.items():
        if name not in idle and not tensor.isfinite().all():
            raise UserError(
                f"{path}: {name} holds NaN or infinity. Delete it and train again with a lower lr."
            )
    return weights


def quantizable_weights(path: Path) -> tuple[dict[str, Tensor], set[str]]:
    """The parameters of a saved run, and the names of those that quantisers leave as they are.

    path: its model.safetensors. Raises as read_weights does.
    """
    weights, config = read_weights(path), path.with_name("config.json")
    idle = _read_names(config, IDLE)
    return {name: tensor for name, tensor in weights.items() if name not in idle}, _read_names(
        config, OUTSIDE
    )


def _read_names(path: Path, key: str) -> set[str]:
    """The names in a list of a run's config.json."""
    try:
        return set(json.loads(path.read_text())[key])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: not the config.json of a run ({error!r}). {remake_remedy(path)}") from error


def load_model(
    source: Path, architecture: AnyArchitecture, vocabulary: int, window: int, weights: dict[str, Tensor]
) -> nn.Module:
    """The model that weights make, ready for inference. Raises UserError for those of another model.

    source: the file they come from, for the error. vocabulary: tokens of the run's tokenizer.
    """
    try:
        if isinstance(architecture, Architecture):
            state = interchange.import_weights(architecture, weights)
            if len(state["embedding.weight"]) != vocabulary:
                raise ValueError(f"it has {len(state['embedding.weight'])} tokens, not {vocabulary}")
            model: nn.Module = Decoder(architecture, vocabulary, window)
            model.load_state_dict(state)
        else:
            model = build_model(architecture, vocabulary, window, seed=0)
            own = _distinct_weights(model)
            if own.keys() != weights.keys():
                raise ValueError(f"{min(own.keys() ^ weights.keys())} is missing or left over")
            model.load_state_dict(weights, strict=False)  # tied weights stand there under one of their names
    except (ValueError, RuntimeError) as error:
        reason = f"these are not the weights of a {architecture.slug} for {vocabulary} tokens"
        raise UserError(f"{source}: {reason} ({error}). {remake_remedy(source)}") from error
    return model.eval()


def _saved_parameter_names(model: nn.Module) -> set[str]:
    """The names under which the parameters of a model are saved."""
    own = {name: parameter.detach() for name, parameter in model.named_parameters()}
    return set(interchange.export_weights(model.architecture, own) if isinstance(model, Decoder) else own)


def _distinct_weights(model: nn.Module) -> dict[str, Tensor]:
    """The state_dict, in which a weight that has several names stands under its first."""
    found: dict[int, tuple[str, Tensor]] = {}
    for name, tensor in model.state_dict(keep_vars=True).items():
        found.setdefault(id(tensor), (name, tensor))
    return dict(found.values())


def _model_config(model: nn.Module, run: Run, vocabulary: int, end: int) -> dict[str, Any]:
    if isinstance(model, Decoder):
        return interchange.transformers_config(model.architecture, vocabulary, run.recipe.window, end)
    if isinstance(run.architecture, PythonModel):
        shape = {"vocabulary": vocabulary, "window": run.recipe.window}
        return {"architecture": json.loads(to_json(run.architecture)), **shape}
    made_by_transformers: Any = model
    values = configurations.saved_values(made_by_transformers.config, end)
    return {**values, "architectures": [type(model).__name__]}
