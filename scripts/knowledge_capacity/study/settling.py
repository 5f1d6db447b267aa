"""Architectures of a configuration as the models that they are: one spec for each, however it was written."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ..config import Key, Problem
from ..files import UserError
from ..specs import AnyArchitecture, Architecture, TransformersModel
from .schema import Config


def settle_architectures(config: Config) -> tuple[Config, list[str], list[Problem]]:
    """The configuration with settled architectures, what is to be said of their fields, and what is wrong with them."""
    settled: dict[str, AnyArchitecture] = {}
    notes: list[str] = []
    problems: list[Problem] = []
    for name, architecture in config.architectures.items():
        if isinstance(architecture, Architecture) and architecture.settled != architecture:
            settled[name] = architecture.settled
            notes.append(f"architectures.{name}: this is {architecture.settled.slug}, and is named so")
        if not isinstance(architecture, TransformersModel):
            continue
        if architecture.config.endswith(".json") and not Path(architecture.config).is_file():
            remedy = "Write the path of a config.json, or a class."
            problems.append(Problem(("architectures", name, "config"), "there is no such file", remedy))
            continue
        from ..models import (
            configurations,
        )  # only here: it takes seconds, and most studies have no such model

        try:
            found = configurations.settle_architecture(architecture)
        except UserError as error:
            problems.extend(_describe_refusal(("architectures", name), architecture, error))
        else:
            settled[name] = found.architecture
            notes += [f"architectures.{name}: {note}" for note in found.notes]
    return replace(config, architectures={**config.architectures, **settled}), notes, problems


def _describe_refusal(key: Key, architecture: TransformersModel, error: UserError) -> Iterator[Problem]:
    from ..models.configuration_fields import RefusedConfigurationError

    if not isinstance(error, RefusedConfigurationError):
        reason, _, remedy = str(error).removeprefix(f"{architecture.config}: ").partition(". ")
        yield Problem((*key, "config"), reason, remedy)
    elif error.key and error.key in architecture.fields:
        yield Problem((*key, "fields", error.key), error.reason, error.remedy)
    else:
        named = f"{error.key}: " if error.key else ""
        yield Problem((*key, "config"), f"{named}{error.reason}", error.remedy)
