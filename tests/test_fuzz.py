"""Configurations and files of measurements that are wrong somewhere: each is taken, or refused in words.

`make fuzz` tries ten thousand of them; other tests are run with the first fiftieth.
"""

import copy
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from knowledge_capacity.config import ConfigError, Sources
from knowledge_capacity.experiments import list_experiments
from knowledge_capacity.files import UserError
from knowledge_capacity.measurements import measurement_table
from knowledge_capacity.study.study import Study

ROOT = Path(__file__).parents[1]
ALL = 50 if os.environ.get("FUZZ") else 1
many = settings(
    max_examples=100 * ALL,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)

# what somebody, or an accident, might write where something else belongs
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-10, 10),
    st.integers(),
    st.floats(),
    st.text(max_size=12),
    st.sampled_from(
        [
            "1e-3",
            "../../etc/passwd",
            "/etc",
            "$(reboot)",
            "`id`",
            "a b",
            "ünï",
            "\x00",
            ".",
            "~",
            "0x10",
            "{}",
        ]
    ),
    st.sampled_from(
        ["bioS", "bioS-tiny", "gpt2", "gpt2-2-1-d8", "llama", "int8", "fp32", "rtn", "word", "bpe-600"]
    ),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)


def refusal(error: type[Exception], read: Callable[[], Any]) -> str:
    """What is said against what is read; nothing where it is taken. Any other error is a defect."""
    try:
        read()
    except error as refused:
        return str(refused) or pytest.fail("it says nothing")
    return ""


@cache
def configurations() -> list[Any]:
    """The studies there are: config.yaml alone, and the overlays that are whole."""
    return [yaml.safe_load((ROOT / name).read_text()) for name in ("config.yaml", "studies/smoke.yaml")]


def merged(base: Any, over: Any) -> Any:
    if isinstance(base, dict) and isinstance(over, dict):
        return {**base, **{key: merged(base.get(key), value) for key, value in over.items()}}
    return over


def places(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    inner = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in inner:
        found += places(value, (*path, key))
    return found


@st.composite
def wrong_configurations(draw: Callable[..., Any]) -> Any:
    """A study with one to three places changed: another value, another key, left out, or moved elsewhere."""
    plain, over = copy.deepcopy(configurations())
    tree = merged(plain, over) if draw(st.booleans()) else plain
    for _ in range(draw(st.integers(1, 3))):
        known = places(tree)
        path = draw(st.sampled_from(known)) if known else ()
        if not path:
            return tree
        parent = tree
        for part in path[:-1]:
            parent = parent[part]
        how = draw(st.sampled_from(["value", "value", "key", "remove", "move"]))
        if how == "value":
            parent[path[-1]] = draw(VALUES)
        elif how == "remove":
            del parent[path[-1]]
        elif isinstance(parent, dict):
            value = parent.pop(path[-1]) if how == "key" else parent[path[-1]]
            others = st.sampled_from(sorted(map(str, parent)) or [""])
            parent[draw(st.one_of(st.text(max_size=8), st.integers(), others))] = value
    return tree


@many
@given(tree=wrong_configurations())
def test_a_wrong_configuration_is_refused_in_words(
    tree: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.getbasetemp() / "fuzzed.yaml"
    file.write_text(yaml.safe_dump(tree))
    studies: list[Study] = []
    said = refusal(ConfigError, lambda: studies.append(Study(tree, [file], list_experiments())))
    assert all(": " in line for line in said.splitlines())
    for slug in studies[0].runs if studies else ():
        assert not Path(slug).is_absolute()
        assert ".." not in Path(slug).parts
        assert slug == slug.strip()


@settings(many, max_examples=50 * ALL)
@given(cut=st.lists(st.tuples(st.floats(0, 1), st.text(max_size=5)), min_size=1, max_size=4))
def test_a_text_that_is_no_configuration_is_refused_in_words(
    cut: list[tuple[float, str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    text = (ROOT / "config.yaml").read_text()
    for place, put in cut:
        at = int(place * len(text))
        text = text[:at] + put + text[at + 1 :]
    file = tmp_path_factory.getbasetemp() / "text.yaml"
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    refusal(ConfigError, lambda: Study(Sources.of_file(file).config, [file], list_experiments()))


@cache
def published() -> pa.Table:
    return pq.read_table(ROOT / "results/published/measurements.parquet").slice(0, 5)


@cache
def read_published() -> pa.Table:
    """The same, as it is read."""
    return measurement_table.read_measurements(ROOT / "results/published/measurements.parquet").slice(0, 5)


@cache
def whole_file() -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(published(), sink, write_page_checksum=True)
    return bytes(sink.getvalue())


@settings(many, max_examples=50 * ALL)
@given(changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=4), kept=st.floats(0, 1.2))
def test_a_file_that_is_no_measurements_is_refused_in_words(
    changes: list[tuple[float, int]], kept: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    content = bytearray(whole_file())
    for place, value in changes:
        content[min(int(place * len(content)), len(content) - 1)] = value
    file = tmp_path_factory.getbasetemp() / "measurements.parquet"
    file.write_bytes(content[: int(kept * len(content))])
    said = refusal(UserError, lambda: measurement_table.read_measurements(file))
    assert str(file) in said or measurement_table.read_measurements(file).equals(read_published())


@settings(many, max_examples=20 * ALL)
@given(data=st.data())
def test_measurements_with_other_columns_are_refused_in_words(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    table = published()
    name = data.draw(st.sampled_from(table.column_names))
    how = data.draw(st.sampled_from(["drop", "rename", "retype", "metadata", "twice"]))
    index = table.column_names.index(name)
    if how == "drop":
        table = table.drop_columns([name])
    elif how == "rename":
        table = table.rename_columns(
            [data.draw(st.text(max_size=8)) if n == name else n for n in table.column_names]
        )
    elif how == "retype":
        values = pa.array([data.draw(st.one_of(st.text(max_size=3)))] * len(table))
        table = table.set_column(index, name, values)
    elif how == "metadata":
        table = table.replace_schema_metadata({"measurements": data.draw(st.text(max_size=3))})
    else:
        table = table.append_column(name + "2", table.column(name))
    file = tmp_path_factory.getbasetemp() / "columns.parquet"
    pq.write_table(table, file)
    said = refusal(UserError, lambda: measurement_table.read_measurements(file))
    assert str(file) in said or measurement_table.read_measurements(file).schema.equals(
        read_published().schema
    )
