"""People: drawn as a pure function of (dataset, seed, position), stored as Parquet for whoever reads them.

A person is a row of integer codes. bioS: the fields of `pools.NAME_FIELDS + pools.FACT_FIELDS`, each a
position in its pool. bioD: the three names, then attributes × chunks positions in the attributes' sets of
strings.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch
from torch import Tensor

from ..files import UserError, remake, write_parquet
from ..specs import BioD, BioS, Dataset, to_json
from . import pools
from .counter import Purpose, below, permute, words


def draw(dataset: Dataset, seed: int, index: Tensor) -> Tensor:
    """The people at the given positions, int64 (n, fields). Distinct positions have distinct names."""
    n0 = dataset.pools.names
    name = permute(seed, Purpose.NAMES, n0, index)
    last = name % dataset.pools.last_names
    rest = name // dataset.pools.last_names
    codes = [rest // dataset.pools.middle_names, rest % dataset.pools.middle_names, last]
    if isinstance(dataset, BioS):
        sizes = [len(pools.values(dataset.pools)[field]) for field in pools.FACT_FIELDS]
    else:
        sizes = [dataset.diversity] * (dataset.attributes * dataset.chunks)
    random = words(seed, Purpose.FACTS, index, n=len(sizes))
    codes += [below(random[..., i], size) for i, size in enumerate(sizes)]
    return torch.stack(codes, dim=-1)


def strings(dataset: BioD, seed: int) -> Tensor:
    """The D distinct strings each attribute draws from, int64 symbols (attributes, diversity, length)."""
    k, d, length, t = dataset.attributes, dataset.diversity, dataset.length, dataset.symbols
    attribute, position = torch.arange(k), torch.arange(d)
    if t**length < 2**40:  # number all strings, and take the first D of a random order
        number = torch.stack([permute(seed, Purpose.STRINGS, t**length, position, turn) for turn in range(k)])
        return torch.stack([number // t**i % t for i in range(length)], dim=-1)
    index = attribute[:, None] * d + position
    for turn in range(100):  # so many strings that D of them hardly ever coincide
        symbols = below(words(seed, Purpose.STRINGS, index, turn, n=length), t)
        if all(len(torch.unique(one, dim=0)) == d for one in symbols):
            return symbols
    raise AssertionError("100 draws of a set of strings all had duplicates")


def write(path: Path, dataset: Dataset, seed: int) -> None:
    """Draw all people of a dataset and write them, one row each, in order of position."""
    codes = draw(dataset, seed, torch.arange(dataset.n_people)).numpy()
    texts = pools.values(dataset.pools)
    columns: dict[str, pa.Array] = {}
    fields = pools.NAME_FIELDS + pools.FACT_FIELDS if isinstance(dataset, BioS) else pools.NAME_FIELDS
    for i, field in enumerate(fields):
        positions = pa.array(codes[:, i].astype(np.int32))
        columns[field] = pa.DictionaryArray.from_arrays(positions, pa.array(texts[field]))
    if isinstance(dataset, BioS):
        work_city = np.array(pools.headquarters(dataset.pools), dtype=np.int32)[
            codes[:, fields.index("employer")]
        ]
        columns["work_city"] = pa.DictionaryArray.from_arrays(
            pa.array(work_city), pa.array(texts["birth_city"])
        )
    else:
        flat = pa.array(codes[:, 3:].astype(np.uint16).ravel())
        columns["values"] = pa.FixedSizeListArray.from_arrays(flat, dataset.attributes * dataset.chunks)
    write_parquet(path, pa.table(columns), {"dataset": to_json(dataset), "seed": str(seed)})


def read(path: Path, dataset: Dataset, seed: int) -> Tensor:
    """The people of a dataset as codes, int64 (n_people, fields); refuses a file made for others."""
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise UserError(f"{path}: not a readable Parquet file ({error}). {remake(path)}") from error
    metadata = table.schema.metadata or {}
    made_for = (metadata.get(b"dataset", b"").decode(), metadata.get(b"seed", b"").decode())
    texts = pools.values(dataset.pools)
    fields = pools.NAME_FIELDS + pools.FACT_FIELDS if isinstance(dataset, BioS) else pools.NAME_FIELDS
    needed = {*fields, "work_city" if isinstance(dataset, BioS) else "values"}
    if (
        made_for != (to_json(dataset), str(seed))
        or table.num_rows != dataset.n_people
        or needed != set(table.column_names)
    ):
        reason = f"holds other people than {dataset.slug} with seed {seed} needs"
        raise UserError(f"{path}: {reason}. {remake(path)}")
    codes = [_codes(table.column(field), texts[field], path, field) for field in fields]
    if isinstance(dataset, BioD):
        flat = table.column("values").combine_chunks().flatten().to_numpy().astype(np.int64)
        if flat.max() >= dataset.diversity:
            raise UserError(
                f"{path}: column values holds {flat.max()}, and an attribute has {dataset.diversity} values. "
                f"{remake(path)}"
            )
        codes += list(flat.reshape(dataset.n_people, -1).T)
    return torch.from_numpy(np.stack(codes, axis=1))


def _codes(column: pa.ChunkedArray, texts: Sequence[str], path: Path, field: str) -> np.ndarray:
    """Positions of a column's texts in the pool."""
    found = pc.index_in(column.cast(pa.string()), value_set=pa.array(texts))
    if found.null_count:
        raise UserError(f"{path}: column {field} holds a value outside its pool. {remake(path)}")
    return found.to_numpy().astype(np.int64)
