"""Files are whole under their final names, or as they were before."""

import errno
import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from knowledge_capacity import devices
from knowledge_capacity.files import UserError, atomic_write, lock_folder, write_json, write_parquet


def test_a_file_takes_its_name_only_once_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "file.txt"
    with atomic_write(path) as aside:
        assert aside.parent == path.parent  # on one file system, or it could not be renamed
        assert aside.name.startswith(".")
        aside.write_text("half")
        assert not path.exists()
        aside.write_text("whole")
    assert path.read_text() == "whole"
    assert list(path.parent.iterdir()) == [path]


def test_the_old_file_stays_until_the_new_one_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    path.write_text("old")
    with atomic_write(path) as aside:
        aside.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_the_old_file_stays_when_the_block_raises(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "file.txt"
    path.write_text("old")

    def fail() -> None:
        with atomic_write(path) as aside:
            aside.write_text("new")
            raise error

    with pytest.raises(error):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_block_that_writes_nothing_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    path.write_text("old")
    with pytest.raises(FileNotFoundError), atomic_write(path):
        pass
    assert path.read_text() == "old"


def test_json_reads_back_in_the_order_given(tmp_path: Path) -> None:
    content = {"b": [1, 2.5, None], "a": {"é": True}}
    write_json(tmp_path / "file.json", content)
    text = (tmp_path / "file.json").read_text()
    assert json.loads(text) == content
    assert list(json.loads(text)) == ["b", "a"]
    assert text.endswith("}\n")


def test_json_that_cannot_be_written_leaves_the_old_file(tmp_path: Path) -> None:
    write_json(tmp_path / "file.json", 1)
    with pytest.raises(TypeError):
        write_json(tmp_path / "file.json", {1, 2})
    assert json.loads((tmp_path / "file.json").read_text()) == 1
    assert len(list(tmp_path.iterdir())) == 1


def test_parquet_reads_back_with_its_metadata(tmp_path: Path) -> None:
    table = pa.table({"x": [1, 2], "y": ["a", "b"]}).replace_schema_metadata({"kept": "yes"})
    write_parquet(tmp_path / "file.parquet", table, {"seed": "0"})
    found = pq.read_table(tmp_path / "file.parquet")
    assert found.to_pylist() == table.to_pylist()
    assert found.schema.metadata[b"kept"] == b"yes"
    assert found.schema.metadata[b"seed"] == b"0"


def test_two_jobs_do_not_work_in_one_folder(tmp_path: Path) -> None:
    held = lock_folder(tmp_path / "run")
    for _ in range(2):
        with pytest.raises(UserError, match=rf"another job is at work here.* on \S+: kill {os.getpid()}$"):
            lock_folder(tmp_path / "run")
    held.close()
    lock_folder(tmp_path / "run").close()


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL])
def test_without_locks_work_goes_on_and_says_so_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], number: int
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fcntl.flock", refuse)
    for _ in range(2):
        lock_folder(tmp_path / "run").close()
    gpu, lease = devices.take_lease(["0", "1"], tmp_path / "leases")
    lease.close()
    assert gpu == "0"
    said = capsys.readouterr().err.splitlines()
    assert [line.split(" (")[0] for line in said] == [
        f"{tmp_path / folder}: this file system has no locks" for folder in ("run", "leases")
    ]


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.EACCES])
def test_a_lock_that_another_holds_is_one_however_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    lock_folder(tmp_path / "run").close()

    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fcntl.flock", refuse)
    with pytest.raises(UserError, match="another job is at work here"):
        lock_folder(tmp_path / "run")


def test_files_can_be_read_by_whoever_may_read_others(tmp_path: Path) -> None:
    path, plain = tmp_path / "file", tmp_path / "plain"
    plain.write_text("")
    with atomic_write(path) as aside:
        aside.touch(mode=0o600)
    assert path.stat().st_mode == plain.stat().st_mode
