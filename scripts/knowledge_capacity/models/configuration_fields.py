"""What the fields of a configuration of transformers do: each takes effect, is refused, or is said not to."""

import copy
import difflib
import inspect
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from ..files import UserError
from ..quiet import suppress_warnings

Values = dict[str, Any]

NAMES_LISTED = 12
# what a configuration may say and what is decided here, by the reason
TOKENS = "the dataset's tokens decide"
PRECISION = (
    "weights are made, trained and saved in float32 (`precision` of a recipe says in what training computes)"
)
OUTPUT = "only logits are read"
DECIDED = {
    **dict.fromkeys(
        ["vocab_size", "decoder_vocab_size", "bos_token_id", "eos_token_id", "pad_token_id"], TOKENS
    ),
    **dict.fromkeys(["dtype", "torch_dtype"], PRECISION),
    **dict.fromkeys(["return_dict", "use_return_dict", "output_hidden_states", "output_attentions"], OUTPUT),
    "use_cache": "nothing is generated while a model trains",
    "quantization_config": "fresh weights are plain (`quantizers` of a study store them in fewer bits)",
    "compression_config": "fresh weights are plain (`quantizers` of a study store them in fewer bits)",
    "auto_map": "no code from elsewhere is run, and the model is the one that transformers has",
}
# what transformers writes about a file, which is about no model
WRITTEN = {
    "model_type", "architectures", "transformers_version", "_name_or_path", "name_or_path", "_commit_hash",
    "id2label", "label2id", "num_labels", "problem_type", "finetuning_task", "task_specific_params", "torchscript",
    "pruned_heads", "is_encoder_decoder", "_attn_implementation_autoset",
}  # fmt: skip
ROPE = ("rope_parameters", "rope_scaling")
# what other classes call the same
ELSEWHERE = {
    **dict.fromkeys(["n_layer", "n_layers", "num_layers", "num_hidden_layers"], "num_hidden_layers"),
    **dict.fromkeys(["n_head", "n_heads", "num_heads", "num_attention_heads"], "num_attention_heads"),
    **dict.fromkeys(["n_embd", "d_model", "dim", "hidden_dim", "hidden_size"], "hidden_size"),
    **dict.fromkeys(
        ["n_inner", "d_ff", "ffn_dim", "ffn_hidden_size", "intermediate_size"], "intermediate_size"
    ),
    **dict.fromkeys(
        ["n_positions", "n_ctx", "max_seq_len", "max_position_embeddings"], "max_position_embeddings"
    ),
}
MISSPELT = (
    0.75  # how alike a misspelt name is to the right one: intermediate_sise, not n_layer and num_layers
)


class RefusedConfigurationError(UserError):
    """A configuration that makes no model, or another than it says. key: the field, None for all together."""

    def __init__(self, what: str, key: str | None, reason: str, remedy: str) -> None:
        named = f"{what}: {key}" if key else what
        super().__init__(f"{named}: {reason}. {remedy}")
        self.key, self.reason, self.remedy = key, reason, remedy


def known_names(kind: Any) -> set[str]:
    """The names of a class's fields, its names for them, and what stands for some of them."""
    found = {field.name for field in fields(kind)} | set(kind.attribute_map)
    setters = {name for name, value in inspect.getmembers(kind) if isinstance(value, property) and value.fset}
    return found | {name for name in setters if not name.startswith("_")}


def name_as_class(what: str, kind: Any, values: Values, chosen: set[str]) -> tuple[Values, set[str]]:
    """Values by the names that the class itself uses. Raises RefusedConfigurationError for two that differ."""
    found: Values = {}
    by: dict[str, str] = {}
    for name in sorted(values, key=lambda name: name in chosen):  # what is chosen replaces what a file says
        own = kind.attribute_map.get(name, name)
        if own in by and found[own] != values[name] and (by[own] in chosen) == (name in chosen):
            reason = f"{values[name]!r}, though {by[own]} says {found[own]!r}, and both name the same"
            raise RefusedConfigurationError(what, name, reason, "Leave out one of them.")
        found[own], by[own] = values[name], name
    return found, {kind.attribute_map.get(name, name) for name in chosen}


def leave_out_decided(what: str, values: Values, notes: list[str]) -> Values:
    """Values without those that are decided here, at any depth; what these would have said otherwise is noted."""
    left: dict[str, list[str]] = {}

    def leave_out(values: Values, prefix: str) -> Values:
        kept = {}
        for name, value in values.items():
            if name in DECIDED or name in WRITTEN:
                same = value is None or (
                    name in ("dtype", "torch_dtype") and str(value) in ("float32", "auto")
                )
                if name in DECIDED and not same and value is not (name == "return_dict"):
                    left.setdefault(DECIDED[name], []).append(prefix + name)
            elif isinstance(value, dict) and name.endswith("_config"):
                kept[name] = {**leave_out(value, f"{prefix}{name}."), **_type_of(value)}
            else:
                kept[name] = value
        return kept

    found = leave_out(values, "")
    notes.extend(
        f"{what}: {list_names(names)} {'has' if len(names) == 1 else 'have'} no effect: {reason}"
        for reason, names in left.items()
    )
    return found


def _type_of(values: Values) -> Values:
    """What says of which class a nested configuration is."""
    return {"model_type": values["model_type"]} if "model_type" in values else {}


def check_names(what: str, kind: Any, values: Values, notes: list[str]) -> None:
    """Take out of values what a class has no use for, and note it. Raises RefusedConfigurationError for what may be
    misspelt.
    """
    known = known_names(kind)
    without = [name for name in sorted(values.keys() - known) if _is_left_over(what, kind, values, name)]
    for name in without:
        right = _meant_name(name, known, values)
        if right and values.get(right) != values[name]:
            has = f", and {right} is {json.dumps(values[right])}" if right in values else ""
            reason = f"a {kind.__name__} has no such field{has}"
            remedy = f"Leave it out, or change {right}." if has else f"Did you mean {right}?"
            raise RefusedConfigurationError(what, name, reason, remedy)
    for name in without:
        del values[name]
    if without:
        are = "is no field" if len(without) == 1 else "are no fields"
        notes.append(f"{what}: {list_names(without)} {are} of a {kind.__name__}, and left out")
    for name in ROPE:
        for key, known_keys in _unknown_rope_keys(kind, values.get(name)):
            near = difflib.get_close_matches(key, known_keys, n=1)
            remedy = f"Did you mean {near[0]}?" if near else f"Known: {', '.join(sorted(known_keys))}."
            raise RefusedConfigurationError(what, f"{name}.{key}", "transformers knows no such key", remedy)


def _meant_name(name: str, known: set[str], values: Values) -> str | None:
    """The field of a class that an unknown name stands for: by another name that is usual, or by a slip."""
    if (right := ELSEWHERE.get(name)) in known:
        return right
    left = known - values.keys() - WRITTEN - DECIDED.keys()
    return next(iter(difflib.get_close_matches(name, left, n=1, cutoff=MISSPELT)), None)


def _is_left_over(what: str, kind: Any, values: Values, name: str) -> bool:
    """Whether a class keeps a value under a name that neither it nor its model ever reads."""
    config = make_configuration(what, kind, values)
    if name not in vars(config):
        return False  # the class has made something of it
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING

    with suppress_warnings():  # of what a model imports
        classes = [
            kind,
            *([MODEL_FOR_CAUSAL_LM_MAPPING[kind]] if kind in MODEL_FOR_CAUSAL_LM_MAPPING else []),
        ]
    modules = {sys.modules[base.__module__] for one in classes for base in inspect.getmro(one)}
    of_models = [module for module in modules if ".models." in module.__name__]
    read = re.compile(rf"(config\.|[\"']){re.escape(name)}\b")
    return not any(read.search(inspect.getsource(module)) for module in of_models)


def _unknown_rope_keys(kind: Any, values: Any) -> Iterator[tuple[str, set[str]]]:
    """The keys of rotary embeddings that transformers does not know, and those that it knows."""
    if not isinstance(values, dict):
        return
    from transformers.modeling_rope_utils import RopeParameters

    own = getattr(kind, "ignore_keys_at_rope_validation", None) or set()
    known = {*RopeParameters.__annotations__, *own, "type", "mrope_section", "mrope_interleaved"}
    for name, value in values.items():
        if isinstance(value, dict):  # by type of layer
            yield from _unknown_rope_keys(kind, value)
        elif name not in known and not name.endswith("_attention"):
            yield name, known


def make_configuration(what: str, kind: Any, values: Values) -> Any:
    """The configuration that values make. Raises RefusedConfigurationError with the whole reason of transformers."""
    try:
        return kind(**copy.deepcopy(values))  # the class changes what it is given
    except Exception as error:  # whatever the library raises
        reason = f"it makes no model ({type(error).__name__}: {' '.join(str(error).split())})"
        remedy = "Give other values."
        if number := re.search(r"expected float, got int \(value: (-?\d+)\)", reason):
            remedy = f"Write {number[1]}.0."
        if conflict := _conflicting_name(kind, values):
            remedy = f"Without {conflict} it does: change that too, or write null for it."
        raise RefusedConfigurationError(what, None, reason, remedy) from error


def _conflicting_name(kind: Any, values: Values) -> str | None:
    """The one list without which the values go together."""
    for name in sorted(values):
        if isinstance(values[name], list) and try_configuration(
            kind, {k: v for k, v in values.items() if k != name}
        ):
            return name
    return None


def try_configuration(kind: Any, values: Values) -> Any:
    try:
        return kind(**copy.deepcopy(values))
    except Exception:  # of many kinds
        return None


def check_effects(
    what: str, kind: Any, values: Values, chosen: set[str], config: Any, notes: list[str]
) -> Values:
    """Values without those that change nothing of a configuration, though it says something else. Raises
    RefusedConfigurationError for such a one that was chosen; those of a file are noted.
    """
    whole = _compared(config)
    for name in sorted(values, key=lambda name: name in chosen):
        rest = {k: v for k, v in values.items() if k != name}
        without = try_configuration(kind, rest)
        if without is None or _compared(without) != whole or _says(config, name, values[name]):
            continue
        by = _overriding_name(kind, rest, name, values[name])
        why = f", since {by} decides" if by else ""
        if not by and hasattr(config, name):
            why = (
                f", since a {kind.__name__} makes {json.dumps(getattr(config, name), default=str)} of it here"
            )
        reason = f"{json.dumps(values[name])} has no effect{why}"
        if name in chosen:
            remedy = f"Leave it out{f', or change {by}' if by else ''}."
            raise RefusedConfigurationError(what, name, reason, remedy)
        notes.append(f"{what}: {name}: {reason}")
        values = rest
    return values


def _says(config: Any, name: str, value: Any) -> bool:
    """Whether a configuration has a value by this name, itself or in a part such as rope_parameters."""
    found: Any = getattr(config, name, None)
    found = found.to_dict() if hasattr(found, "to_dict") else found
    if isinstance(value, dict) and isinstance(found, dict) and value.items() <= found.items():
        return True
    parts = [part for part in vars(config).values() if isinstance(part, dict)]
    return bool(found == value) or any(name in part and part[name] == value for part in parts)


def _overriding_name(kind: Any, rest: Values, name: str, value: Any) -> str | None:
    """The other value without which one takes effect."""
    for other in sorted(rest):
        less = {k: v for k, v in rest.items() if k != other}
        both, alone = try_configuration(kind, {**less, name: value}), try_configuration(kind, less)
        if both and alone and _compared(both) != _compared(alone):
            return other
    return None


def _compared(config: Any) -> Values:
    """What a configuration says of its model."""
    values: Values = config.to_dict()
    return {name: value for name, value in values.items() if name not in DECIDED and name not in WRITTEN}


def fewest_fields(kind: Any, values: Values) -> Values:
    """The fewest fields that make the configuration that values make: the same ones, however it was written."""
    config, default = make_configuration(kind.__name__, kind, values), try_configuration(kind, {})
    if default is None:
        return values
    whole, usual = _compared(config), _compared(default)
    found = {name: whole[name] for name in sorted(whole) if name not in usual or usual[name] != whole[name]}
    made = try_configuration(kind, found)
    if made is None or _compared(made) != whole or not _is_json(found):
        return values
    for name in sorted(found, key=lambda name: (name in values, name)):  # what follows from the others first
        rest = {k: v for k, v in found.items() if k != name}
        made = try_configuration(kind, rest)
        if made is not None and _compared(made) == whole:
            found = rest
    return found


def _is_json(values: Values) -> bool:
    try:
        return bool(json.loads(json.dumps(values)) == values)
    except (TypeError, ValueError):
        return False


def list_names(names: list[str]) -> str:
    return ", ".join(names[:NAMES_LISTED]) + (", …" if len(names) > NAMES_LISTED else "")
