"""Files of tensors: what is written reads back, and whatever was changed in between is found."""

import random
from pathlib import Path

import pytest
import torch
from knowledge_capacity import tensorfile
from safetensors.torch import save_file

TENSORS = {
    "weights": torch.arange(60.0).view(3, 20),
    "halves": torch.ones(5, dtype=torch.bfloat16),
    "codes": torch.arange(-4, 4, dtype=torch.int8),
    "yes": torch.tensor([True, False]),
    "one": torch.tensor(1),
    "none": torch.empty(0, 3),
}
TEXTS = {"format": "pt", "says": "what it is"}


def test_what_is_written_reads_back(tmp_path: Path) -> None:
    tensorfile.write_tensors(path := tmp_path / "file", {**TENSORS, "turned": TENSORS["weights"].T}, TEXTS)
    tensors, texts = tensorfile.read_tensors(path)
    assert texts == TEXTS
    assert all(torch.equal(tensors[name], tensor) for name, tensor in TENSORS.items())
    assert torch.equal(tensors["turned"], TENSORS["weights"].T)


def test_the_same_contents_are_the_same_bytes(tmp_path: Path) -> None:
    texts = {**TEXTS, **{str(i): 'with "quotes", \u00fc and \\' for i in range(9)}}
    tensorfile.write_tensors(one := tmp_path / "one", TENSORS, texts)
    tensorfile.write_tensors(other := tmp_path / "other", TENSORS, dict(reversed(texts.items())))
    assert one.read_bytes() == other.read_bytes()
    assert tensorfile.read_tensors(one)[1] == texts


def test_any_byte_that_is_changed_is_found(tmp_path: Path) -> None:
    tensorfile.write_tensors(path := tmp_path / "file", TENSORS, TEXTS)
    whole = path.read_bytes()
    draw = random.Random(0)  # noqa: S311 (no secret)
    for place in range(len(whole)):
        changed = whole[place] ^ draw.randrange(1, 256)
        path.write_bytes(whole[:place] + bytes([changed]) + whole[place + 1 :])
        try:
            tensors, texts = tensorfile.read_tensors(path)
        except tensorfile.DamagedFileError:
            continue
        # of what is written, only padding may change, or the name of the checksum itself
        assert all(torch.equal(tensors[name], tensor) for name, tensor in TENSORS.items())
        assert TEXTS.items() <= texts.items()


@pytest.mark.parametrize("kept", [0, 7, 100, -1])
def test_a_file_that_is_cut_off_is_found(tmp_path: Path, kept: int) -> None:
    tensorfile.write_tensors(path := tmp_path / "file", TENSORS, TEXTS)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(tensorfile.DamagedFileError):
        tensorfile.read_tensors(path)


def test_files_of_others_need_no_checksum(tmp_path: Path) -> None:
    save_file(TENSORS, path := tmp_path / "file")
    tensors, texts = tensorfile.read_tensors(path)
    assert tensors.keys() == TENSORS.keys()
    assert texts == {}
