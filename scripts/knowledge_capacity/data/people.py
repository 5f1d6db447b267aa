"""People: drawn as a pure function of (dataset, seed, position), stored as Parquet for whoever reads them.

A person is a row of integer codes. Biographies: the fields of `pools.NAME_FIELDS + pools.FACT_FIELDS`, each a
position in its pool. bioD: the three names, then attributes × chunks positions in the attributes' sets of
strings. Random strings, which take the place of people: their symbols.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch
from torch import Tensor

from ..files import UserError, atomic_write, remake_remedy
from ..specs import BioD, Biography, Dataset, RandomStrings, to_json
from . import pools
from .counter import Purpose, permute_index, random_words, uniform_below

CHUNK = 1 << 17  # people drawn, written and read at a time


def draw_people(dataset: Dataset, seed: int, index: Tensor) -> Tensor:
    """The people at the given positions, int64 (n, fields). Distinct positions have distinct names.

    (Distinct strings, for random strings; where there are 2^62 or more to choose from, almost surely.)
    """
    if isinstance(dataset, RandomStrings):
        length, t = dataset.length, dataset.symbols
        if t**length >= 2**62:
            return uniform_below(random_words(seed, Purpose.STRINGS, index, n=length), t)
        number = permute_index(seed, Purpose.STRINGS, t**length, index)
        return torch.stack([number // t**i % t for i in range(length)], dim=-1)
    n0 = dataset.pools.names
    name = permute_index(seed, Purpose.NAMES, n0, index)
    last = name % dataset.pools.last_names
    rest = name // dataset.pools.last_names
    codes = [rest // dataset.pools.middle_names, rest % dataset.pools.middle_names, last]
    if isinstance(dataset, Biography):
        sizes = [len(pools.pool_values(dataset.pools)[field]) for field in pools.FACT_FIELDS]
    else:
        sizes = [dataset.diversity] * (dataset.attributes * dataset.chunks)
    random = random_words(seed, Purpose.FACTS, index, n=len(sizes))
    codes += [uniform_below(random[..., i], size) for i, size in enumerate(sizes)]
    return torch.stack(codes, dim=-1)


def draw_all_people(dataset: Dataset, seed: int) -> Tensor:
    """All people of a dataset as `read_people` gives them, without a file."""
    result = torch.empty(dataset.n_people, _n_fields(dataset), dtype=_code_dtype(dataset))
    for start in range(0, dataset.n_people, CHUNK):
        index = torch.arange(start, min(start + CHUNK, dataset.n_people))
        result[start : start + len(index)] = draw_people(dataset, seed, index)
    return result


def draw_others(dataset: Dataset, seed: int, number: int) -> Tensor:
    """So many people whom a dataset does not have, as codes like those of `read_people`; no name is one of its own."""
    first = dataset.n_people
    return draw_people(dataset, seed, torch.arange(first, first + number)).to(_code_dtype(dataset))


def decode_facts(dataset: Biography, people: Tensor) -> Iterator[dict[str, str]]:
    """What is told about each of some people (codes as `draw_people` gives them), in words.

    Keys: name (in full), birth_date (October 2, 1996), birth_city, university, major, employer, work_city,
    pronoun (he or she).
    """
    texts, headquarters = pools.pool_values(dataset.pools), pools.headquarters_cities(dataset.pools)
    fields = pools.NAME_FIELDS + pools.FACT_FIELDS
    for row in people.tolist():
        said = {field: texts[field][code] for field, code in zip(fields, row, strict=True)}
        yield {
            "name": " ".join(said[field] for field in pools.NAME_FIELDS),
            "birth_date": f"{said['birth_month']} {said['birth_day']}, {said['birth_year']}",
            **{field: said[field] for field in ("birth_city", "university", "major", "employer")},
            "work_city": texts["birth_city"][headquarters[row[fields.index("employer")]]],
            "pronoun": said["pronoun"],
        }


def draw_string_sets(dataset: BioD, seed: int) -> Tensor:
    """The D distinct strings each attribute draws from, int64 symbols (attributes, diversity, length)."""
    k, d, length, t = dataset.attributes, dataset.diversity, dataset.length, dataset.symbols
    attribute, position = torch.arange(k), torch.arange(d)
    if t**length < 2**40:  # number all strings, and take the first D of a random order
        number = torch.stack(
            [permute_index(seed, Purpose.STRINGS, t**length, position, turn) for turn in range(k)]
        )
        return torch.stack([number // t**i % t for i in range(length)], dim=-1)
    index = attribute[:, None] * d + position
    for turn in range(100):  # so many strings that D of them hardly ever coincide
        symbols = uniform_below(random_words(seed, Purpose.STRINGS, index, turn, n=length), t)
        if all(len(torch.unique(one, dim=0)) == d for one in symbols):
            return symbols
    raise AssertionError("100 draws of a set of strings all had duplicates")


def write_people(path: Path, dataset: Dataset, seed: int) -> None:
    """Draw all people of a dataset and write them, one row each, in order of position."""
    metadata = {"dataset": to_json(dataset), "seed": str(seed)}
    with atomic_write(path) as aside:
        writer = None
        for start in range(0, dataset.n_people, CHUNK):
            index = torch.arange(start, min(start + CHUNK, dataset.n_people))
            part = pa.table(_parquet_columns(dataset, draw_people(dataset, seed, index).numpy()))
            writer = writer or pq.ParquetWriter(
                aside, part.schema.with_metadata(metadata), write_page_checksum=True
            )
            writer.write_table(part.replace_schema_metadata(metadata))
        assert writer
        writer.close()


def read_people(path: Path, dataset: Dataset, seed: int) -> Tensor:
    """The people of a dataset as codes, int16 or int32 (n_people, fields); refuses a file made for others."""
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            return _read_codes(file, path, dataset, seed)
    except (OSError, pa.ArrowInvalid) as error:
        raise UserError(f"{path}: not a readable Parquet file ({error}). {remake_remedy(path)}") from error


def _read_codes(file: pq.ParquetFile, path: Path, dataset: Dataset, seed: int) -> Tensor:
    metadata = file.schema_arrow.metadata or {}
    made_for = (metadata.get(b"dataset", b"").decode(), metadata.get(b"seed", b"").decode())
    if (
        made_for != (to_json(dataset), str(seed))
        or file.metadata.num_rows != dataset.n_people
        or {*_named_fields(dataset), _last_column(dataset)} != set(file.schema_arrow.names)
    ):
        reason = f"holds other people than {dataset.slug} with seed {seed} needs"
        raise UserError(f"{path}: {reason}. {remake_remedy(path)}")
    result, start = torch.empty(dataset.n_people, _n_fields(dataset), dtype=_code_dtype(dataset)), 0
    for batch in file.iter_batches(CHUNK):
        stop = start + len(batch)
        named = _named_fields(dataset)
        for i, (field, texts) in enumerate(named.items()):
            result[start:stop, i] = torch.from_numpy(_encode_column(batch.column(field), texts, path, field))
        if not isinstance(dataset, Biography):
            column = _last_column(dataset)
            flat = batch.column(column).flatten().to_numpy().astype(np.int32)
            bound = dataset.symbols if isinstance(dataset, RandomStrings) else dataset.diversity
            if flat.max() >= bound:
                what = "the alphabet" if isinstance(dataset, RandomStrings) else "an attribute"
                raise UserError(
                    f"{path}: column {column} holds {flat.max()}, and {what} has {bound} values. "
                    f"{remake_remedy(path)}"
                )
            result[start:stop, len(named) :] = torch.from_numpy(flat).view(len(batch), -1)
        start = stop
    return result


def _parquet_columns(dataset: Dataset, codes: np.ndarray) -> dict[str, pa.Array]:
    """What is stored of people: the texts of named fields, and the city of work or what has no text."""
    columns: dict[str, pa.Array] = {}
    for i, (field, texts) in enumerate(_named_fields(dataset).items()):
        positions = pa.array(codes[:, i].astype(np.int32))
        columns[field] = pa.DictionaryArray.from_arrays(positions, pa.array(texts))
    if isinstance(dataset, Biography):
        headquarters = np.array(pools.headquarters_cities(dataset.pools), dtype=np.int32)
        work_city = headquarters[codes[:, list(columns).index("employer")]]
        cities = pa.array(pools.pool_values(dataset.pools)["birth_city"])
        columns[_last_column(dataset)] = pa.DictionaryArray.from_arrays(pa.array(work_city), cities)
    else:
        flat = pa.array(codes[:, len(columns) :].astype(np.uint16).ravel())
        width = _n_fields(dataset) - len(columns)
        columns[_last_column(dataset)] = pa.FixedSizeListArray.from_arrays(flat, width)
    return columns


def _named_fields(dataset: Dataset) -> dict[str, pools.Texts]:
    """The fields of a person that stand for texts of a pool, which come first."""
    if isinstance(dataset, RandomStrings):
        return {}
    fields = pools.NAME_FIELDS + (pools.FACT_FIELDS if isinstance(dataset, Biography) else ())
    texts = pools.pool_values(dataset.pools)
    return {field: texts[field] for field in fields}


def _last_column(dataset: Dataset) -> str:
    """The column that is no named field."""
    if isinstance(dataset, RandomStrings):
        return "symbols"
    return "values" if isinstance(dataset, BioD) else "work_city"


def _n_fields(dataset: Dataset) -> int:
    if isinstance(dataset, RandomStrings):
        return dataset.length
    return len(_named_fields(dataset)) + (
        dataset.attributes * dataset.chunks if isinstance(dataset, BioD) else 0
    )


def _code_dtype(dataset: Dataset) -> torch.dtype:
    """The smallest type that holds every code: a bioS person takes 22 bytes."""
    return torch.int32 if isinstance(dataset, RandomStrings) and dataset.symbols > 2**15 else torch.int16


def _encode_column(column: pa.Array, texts: pools.Texts, path: Path, field: str) -> np.ndarray:
    """Positions of a column's texts in the pool."""
    encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    found = pc.index_in(encoded.dictionary.cast(pa.string()), value_set=pa.array(texts))
    codes = found.take(encoded.indices)
    if codes.null_count:
        raise UserError(f"{path}: column {field} holds a value outside its pool. {remake_remedy(path)}")
    return codes.to_numpy().astype(np.int16)
