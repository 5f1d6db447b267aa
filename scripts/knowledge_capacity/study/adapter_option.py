"""The option that asks for an adapter: --adapter rank=4,targets=mlp."""

import json
from typing import Any

from pydantic import TypeAdapter, ValidationError

from ..files import UserError
from ..specs import Adapter, Dataset, Recipe

FORM = "Write rank=4, or rank=4,targets=mlp (layers, attention, mlp or embeddings), with base=others, strings or none"
NO_BASE = "none"


def parse_adapter(text: str, dataset: Dataset, recipe: Recipe, trained: bool) -> Adapter:
    """The adapter of such an option. trained: whether the model below is trained already.

    One that is not is trained first, as the recipe says, on as many others as the dataset has people, unless the
    option says otherwise. Raises UserError for what is no adapter.
    """
    given: dict[str, Any] = dict(part.partition("=")[::2] for part in text.split(","))
    below = given.pop("base", NO_BASE if trained else "others")
    if trained and below != NO_BASE:
        reason = "this model is trained already, so it takes no base"
        raise UserError(f"--adapter {text}: {reason}. Leave base out.")
    if below != NO_BASE:
        seen = {"people": dataset.n_people, "exposures": recipe.exposures, "lr": recipe.lr}
        given["base"] = {"trained_on": below, **seen}
    try:
        found: Adapter = TypeAdapter(Adapter).validate_json(json.dumps({**given, "rank": int(given["rank"])}))
    except (KeyError, ValueError, ValidationError) as error:
        raise UserError(f"--adapter {text}: this is no adapter. {FORM}.") from error
    return found
