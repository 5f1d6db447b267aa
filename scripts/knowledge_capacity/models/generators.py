"""Random numbers that models draw, from torch's, numpy's and Python's generators and from their own.

All are seeded by the run, and are part of a checkpoint, so that a run that was stopped goes on with the same numbers.
"""

import hashlib
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn

OWN = (torch.Generator, np.random.Generator, np.random.RandomState, random.Random)
LIBRARIES = ("torch.", "transformers.", __name__.partition(".")[0] + ".")

States = dict[str, Any]


@contextmanager
def seed_building(seed: int) -> Iterator[None]:
    """Have what builds a model draw from generators of this seed; afterwards they are as before."""
    numbers, python = np.random.get_state(), random.getstate()  # noqa: NPY002 (the one that models draw from)
    try:
        with torch.random.fork_rng(devices=[]):
            _seed_shared(seed)
            yield
    finally:
        np.random.set_state(numbers)  # noqa: NPY002
        random.setstate(python)


def seed_generators(model: nn.Module, seed: int) -> None:
    """Seed all generators that a model draws from: the libraries', and each of its own by its name."""
    _seed_shared(seed)
    for name, generator in find_generators(model).items():
        own = int.from_bytes(hashlib.sha256(f"{seed} {name}".encode()).digest()[:4], "big")
        if isinstance(generator, torch.Generator):
            generator.manual_seed(own)
        elif isinstance(generator, np.random.Generator):
            generator.bit_generator.state = type(generator.bit_generator)(own).state
        else:
            generator.seed(own)


def generator_states(model: nn.Module) -> States:
    """Where all generators of a model stand, as plain values that JSON holds."""
    found: States = {
        "torch": torch.get_rng_state().tolist(),
        "numpy": _read_state(np.random.mtrand._rand),
        "python": _read_state(random._inst),
        "own": {name: _read_state(generator) for name, generator in find_generators(model).items()},
    }
    if any(parameter.is_cuda for parameter in model.parameters()):
        found["cuda"] = torch.cuda.get_rng_state().tolist()
    return found


def restore_generators(model: nn.Module, states: States) -> None:
    """Put all generators of a model where `generator_states` found them."""
    torch.set_rng_state(torch.tensor(states["torch"], dtype=torch.uint8))
    if "cuda" in states:
        torch.cuda.set_rng_state(torch.tensor(states["cuda"], dtype=torch.uint8))
    _write_state(np.random.mtrand._rand, states["numpy"])
    _write_state(random._inst, states["python"])
    own = find_generators(model)
    for name, state in states["own"].items():
        _write_state(own[name], state)


def find_generators(model: nn.Module) -> dict[str, Any]:
    """The generators that a model's modules hold, or the files that its classes are from, each once, by name."""
    found: dict[str, Any] = {}
    for path, module in model.named_modules():
        _note_generators(f"{path}.", vars(module), found)
        home = type(module).__module__
        if not home.startswith(LIBRARIES) and home in sys.modules:
            _note_generators(f"{home}:", vars(sys.modules[home]), found)
    first = {id(generator): name for name, generator in reversed(found.items())}
    return {name: generator for name, generator in found.items() if first[id(generator)] == name}


def _note_generators(prefix: str, values: dict[str, Any], found: dict[str, Any]) -> None:
    for name, value in list(values.items()):
        parts = {"": value}
        if isinstance(value, list | tuple):
            parts = {f".{i}": part for i, part in enumerate(value)}
        elif isinstance(value, dict) and not name.startswith("_"):
            parts = {f".{key}": part for key, part in value.items()}
        found.update({f"{prefix}{name}{key}": part for key, part in parts.items() if isinstance(part, OWN)})


def _seed_shared(seed: int) -> None:
    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002
    random.seed(seed)


def _read_state(generator: Any) -> Any:
    if isinstance(generator, torch.Generator):
        return generator.get_state().tolist()
    if isinstance(generator, np.random.Generator):
        return _as_plain(generator.bit_generator.state)
    if isinstance(generator, np.random.RandomState):
        return _as_plain(generator.get_state(legacy=False))
    return _as_plain(generator.getstate())


def _write_state(generator: Any, state: Any) -> None:
    if isinstance(generator, torch.Generator):
        generator.set_state(torch.tensor(state, dtype=torch.uint8))
    elif isinstance(generator, np.random.Generator):
        generator.bit_generator.state = state
    elif isinstance(generator, np.random.RandomState):
        generator.set_state(state)
    else:
        version, numbers, gauss = state
        generator.setstate((version, tuple(numbers), gauss))


def _as_plain(state: Any) -> Any:
    """A state without arrays and tuples."""
    if isinstance(state, dict):
        return {key: _as_plain(value) for key, value in state.items()}
    if isinstance(state, np.ndarray):
        return state.tolist()
    return [_as_plain(value) for value in state] if isinstance(state, tuple | list) else state
