"""How the server is reached that writes bioR: read from envs/endpoint.yaml."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from annotated_types import Ge, Gt, Le

from ..config import ConfigError, Sources, parse_config
from ..files import UserError
from ..specs import STRICT

Price = Annotated[float, Ge(0)]


@dataclass(frozen=True)
class Endpoint:
    """The settings, as explained in envs/endpoint.yaml."""

    __pydantic_config__ = STRICT

    url: str
    api_key_variable: str = "OPENAI_API_KEY"
    concurrency: Annotated[int, Ge(1), Le(10_000)] = 16
    requests_per_minute: Annotated[int, Ge(0)] = 0
    timeout_seconds: Annotated[float, Gt(0)] = 120.0
    retries: Annotated[int, Ge(0), Le(100)] = 8
    attempts: Annotated[int, Ge(1)] = 20
    max_tokens: Annotated[int, Ge(1)] = 400
    price_per_million_input_tokens: Price = 0.0
    price_per_million_output_tokens: Price = 0.0
    spending_limit: Price = 0.0


def read_endpoint(path: Path) -> Endpoint:
    """The settings in a file. Raises UserError, with a line for everything that is wrong with it."""
    try:
        sources = Sources.of_file(path)
        settings, problems = parse_config(Endpoint, sources)
    except ConfigError as error:
        raise UserError(str(error)) from error
    if problems:
        raise UserError("\n".join(sources.line(problem) for problem in problems))
    if not settings.url.startswith(("http://", "https://")):
        raise UserError(
            f"{path}: url = {settings.url!r}: this is no address. Write one like http://localhost:8000/v1."
        )
    return settings
