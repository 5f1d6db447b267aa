"""People: pure functions of their index, distinct, uniform, and safely stored."""

import math
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from knowledge_capacity.data import people, pools
from knowledge_capacity.files import UserError
from knowledge_capacity.specs import BioD, BioS, Dataset, Pools

SMALL = Pools(5, 7, 11, birth_years=4, cities=8, universities=6, majors=5, employers=9)
BIOS = BioS(n_people=60, pools=SMALL)
BIOD = BioD(n_people=60, attributes=3, chunks=2, diversity=10, length=2, symbols=5, pools=SMALL)
DATASETS = pytest.mark.parametrize("dataset", [BIOS, BIOD], ids=["bioS", "bioD"])

STRINGS = {
    "few of all strings": BioD(n_people=1, attributes=4, diversity=50, length=3, symbols=10),
    "all strings": BioD(n_people=1, attributes=4, diversity=8, length=3, symbols=2),
    "the paper's": BioD(n_people=1, attributes=2, diversity=10_000, length=4, symbols=1000),
    "too many strings to number": BioD(n_people=1, attributes=3, diversity=1000, length=50, symbols=2),
    "large alphabet": BioD(n_people=1, attributes=3, diversity=1000, length=3, symbols=40_000),
}


def everyone(dataset: Dataset, seed: int = 0) -> torch.Tensor:
    return people.draw_people(dataset, seed, torch.arange(dataset.n_people))


@DATASETS
@given(
    seed=st.integers(0, 2**31 - 1),
    start=st.integers(0, 59),
    stop=st.integers(0, 60),
    step=st.sampled_from([1, 2, 7]),
)
def test_any_slice_is_the_slice_of_the_whole(
    dataset: Dataset, seed: int, start: int, stop: int, step: int
) -> None:
    index = torch.arange(60)[start:stop:step]
    assert torch.equal(people.draw_people(dataset, seed, index), everyone(dataset, seed)[index])


@DATASETS
def test_more_people_leave_the_first_ones_as_they_are(dataset: Dataset) -> None:
    more = type(dataset)(**{**vars(dataset), "n_people": 300})
    assert torch.equal(everyone(more)[:60], everyone(dataset))


@DATASETS
def test_seeds_draw_different_people(dataset: Dataset) -> None:
    ours, theirs = everyone(dataset, 0), everyone(dataset, 1)
    # each person agrees with the same person of another seed in every column with probability below 1e-4
    assert int((ours == theirs).all(dim=1).sum()) <= 1
    assert int((ours[:, :3] == theirs[:, :3]).all(dim=1).sum()) <= 3


@pytest.mark.parametrize("sizes", [(5, 7, 11), (8, 8, 8), (1, 1, 13), (3, 1, 2), (1, 1, 1)])
def test_names_are_distinct_even_when_all_are_taken(sizes: tuple[int, int, int]) -> None:
    n0 = math.prod(sizes)
    found = everyone(BioS(n_people=n0, pools=Pools(*sizes)))[:, :3]
    assert set(map(tuple, found.tolist())) == {
        (a, b, c) for a in range(sizes[0]) for b in range(sizes[1]) for c in range(sizes[2])
    }


def test_names_of_the_papers_pools_are_distinct() -> None:
    found = everyone(BioS(n_people=20_000))[:, :3]
    assert len(found.unique(dim=0)) == 20_000


def test_every_field_is_uniform_over_its_pool() -> None:
    n = 20_000
    codes = everyone(BioS(n_people=n), seed=5)
    texts = pools.pool_values(Pools())
    for column, field in enumerate(pools.NAME_FIELDS + pools.FACT_FIELDS):
        size = len(texts[field])
        counts = torch.bincount(codes[:, column], minlength=size).double()
        assert len(counts) == size, field
        chi_square = float(((counts - n / size) ** 2 / (n / size)).sum())
        # chi-square with k degrees of freedom: mean k, standard deviation √(2k)
        assert abs(chi_square - (size - 1)) < 5 * math.sqrt(2 * (size - 1)), field


def test_fields_are_independent_in_pairs() -> None:
    n = 20_000
    codes = everyone(BioS(n_people=n), seed=6).double()
    correlation = torch.corrcoef(codes.T) - torch.eye(codes.shape[1])
    assert float(correlation.abs().max()) < 5 / math.sqrt(n)


def test_codes_of_biod_stay_in_their_sets_and_are_uniform() -> None:
    dataset = BioD(n_people=5000, attributes=3, chunks=2, diversity=17)
    codes = everyone(dataset)[:, 3:]
    assert codes.shape == (5000, 6)
    for column in codes.T:
        counts = torch.bincount(column).double()
        assert len(counts) == 17
        assert abs(float(((counts - 5000 / 17) ** 2 / (5000 / 17)).sum()) - 16) < 5 * math.sqrt(32)


@pytest.mark.parametrize("case", STRINGS)
def test_strings_are_distinct_within_an_attribute(case: str) -> None:
    dataset = STRINGS[case]
    found = people.draw_string_sets(dataset, 0)
    assert found.shape == (dataset.attributes, dataset.diversity, dataset.length)
    assert int(found.min()) >= 0
    assert int(found.max()) < dataset.symbols
    for one in found:
        assert len(one.unique(dim=0)) == dataset.diversity
    assert not torch.equal(found[0], found[1])
    assert torch.equal(found, people.draw_string_sets(dataset, 0))
    assert not torch.equal(found, people.draw_string_sets(dataset, 1))


@pytest.mark.parametrize("case", ["the paper's", "large alphabet"])
def test_symbols_of_strings_are_uniform(case: str) -> None:
    symbols = people.draw_string_sets(STRINGS[case], 0) * 10 // STRINGS[case].symbols  # the tenth they are in
    for place in symbols.unbind(dim=-1):
        counts = torch.bincount(place.flatten(), minlength=10).double()
        expected = counts.sum() / 10
        assert abs(float(((counts - expected) ** 2 / expected).sum()) - 9) < 5 * math.sqrt(18)


@DATASETS
@pytest.mark.parametrize("seed", [0, 3])
def test_what_is_written_reads_back(tmp_path: Path, dataset: Dataset, seed: int) -> None:
    path = tmp_path / "seed" / "people.parquet"
    people.write_people(path, dataset, seed)
    assert torch.equal(people.read_people(path, dataset, seed), everyone(dataset, seed))


def test_the_file_tells_people_in_words(tmp_path: Path) -> None:
    people.write_people(tmp_path / "people.parquet", BIOS, 0)
    rows = pq.read_table(tmp_path / "people.parquet").to_pylist()
    texts, homes = pools.pool_values(SMALL), pools.headquarters_cities(SMALL)
    for row, codes in zip(rows, everyone(BIOS).tolist(), strict=True):
        fields = pools.NAME_FIELDS + pools.FACT_FIELDS
        expected = {field: texts[field][code] for field, code in zip(fields, codes, strict=True)}
        work_city = texts["birth_city"][homes[codes[fields.index("employer")]]]
        assert row == {**expected, "work_city": work_city}


@DATASETS
def test_a_file_of_another_dataset_is_refused(tmp_path: Path, dataset: Dataset) -> None:
    path = tmp_path / "people.parquet"
    people.write_people(path, dataset, 0)
    other = BioS(n_people=60, pools=Pools(5, 7, 11)) if isinstance(dataset, BioS) else BIOS
    with pytest.raises(UserError, match=r"people\.parquet: holds other people.*bioS-60.*Delete"):
        people.read_people(path, other, 0)


@DATASETS
def test_a_file_of_another_seed_is_refused(tmp_path: Path, dataset: Dataset) -> None:
    path = tmp_path / "people.parquet"
    people.write_people(path, dataset, 0)
    with pytest.raises(UserError, match=r"holds other people than .* with seed 1 needs"):
        people.read_people(path, dataset, 1)


def test_a_file_with_a_column_missing_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "people.parquet"
    people.write_people(path, BIOS, 0)
    pq.write_table(pq.read_table(path).drop_columns(["major"]), path)
    with pytest.raises(UserError, match="holds other people"):
        people.read_people(path, BIOS, 0)


@DATASETS
def test_a_file_with_rows_missing_is_refused(tmp_path: Path, dataset: Dataset) -> None:
    path = tmp_path / "people.parquet"
    people.write_people(path, dataset, 0)
    pq.write_table(pq.read_table(path).slice(1), path)
    with pytest.raises(UserError, match="holds other people"):
        people.read_people(path, dataset, 0)


@DATASETS
@pytest.mark.parametrize("kept", [0, 0.1, 0.9])
def test_a_truncated_file_is_refused(tmp_path: Path, dataset: Dataset, kept: float) -> None:
    path = tmp_path / "people.parquet"
    people.write_people(path, dataset, 0)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole))])
    with pytest.raises(UserError, match=r"people\.parquet: not a readable Parquet file.*Delete"):
        people.read_people(path, dataset, 0)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"people\.parquet: not a readable"):
        people.read_people(tmp_path / "people.parquet", BIOS, 0)


def test_a_foreign_city_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "people.parquet"
    people.write_people(path, BIOS, 0)
    table = pq.read_table(path)
    cities = ["Atlantis", *table.column("birth_city").to_pylist()[1:]]
    column = table.schema.get_field_index("birth_city")
    pq.write_table(table.set_column(column, "birth_city", pa.array(cities)), path)
    with pytest.raises(UserError, match=r"people\.parquet: column birth_city holds a value outside"):
        people.read_people(path, BIOS, 0)


def test_a_foreign_string_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "people.parquet"
    people.write_people(path, BIOD, 0)
    table = pq.read_table(path)
    values = table.column("values").to_pylist()
    values[5][1] = BIOD.diversity
    column = table.schema.get_field_index("values")
    pq.write_table(table.set_column(column, "values", pa.array(values, pa.list_(pa.uint16(), 6))), path)
    with pytest.raises(UserError, match=r"people\.parquet: column values holds 10"):
        people.read_people(path, BIOD, 0)
