"""Writing files so that a file under its final name is always whole, and errors meant for people."""

import errno
import fcntl
import hashlib
import json
import math
import os
import platform
import shlex
import sys
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

UMASK = os.umask(0)
os.umask(UMASK)
SEAL = "checksum"


class UserError(Exception):
    """Something the user can mend; the message is one line that names file, field, value and remedy."""


def remake_remedy(path: Path) -> str:
    """What to do about a result that is damaged."""
    return f"Delete it and make it again: snakemake --cores 1 {shlex.quote(str(path))}"


def lock_file(file: IO[str], wait: bool = False) -> bool:
    """Lock an open file until it is closed, and tell whether that worked: not while another process holds it.

    wait: whether to wait for that one. Where the file system knows no locks, as of some clusters and containers, this
    is said once, and all goes on as if the lock were held.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EACCES):
            return False
        _say_without_locks(os.path.dirname(file.name), str(error.strerror))
    return True


@cache
def _say_without_locks(folder: str, reason: str) -> None:
    print(
        f"{folder}: this file system has no locks ({reason}). Work goes on without; start no job twice at a time.",
        file=getattr(sys.stderr, "terminal", sys.stderr),  # of a job, whose libraries write elsewhere
        flush=True,
    )


def lock_folder(folder: Path) -> IO[str]:
    """A lock on a folder, held until the returned file is closed or the process ends.

    Raises UserError, naming the process, when another one holds it, as a job does that outlived a killed Snakemake.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = open(folder / ".lock", "a+")  # noqa: SIM115 (open for as long as the lock is held)
    if not lock_file(file):
        file.seek(0)
        machine, _, process = file.read().rpartition(" ")
        file.close()
        remedy = (
            f"Wait until it ends, or stop it on {machine}: kill {process}"
            if machine
            else "Wait until it ends."
        )
        raise UserError(f"{folder}: another job is at work here. {remedy}")
    with suppress(OSError):  # a full disk
        file.truncate(0)
        file.write(f"{platform.node()} {os.getpid()}")
        file.flush()
    return file


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its name once the block has written it and it is on disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.part")
    try:
        yield aside
        with open(aside, "rb+") as file:
            os.fsync(file.fileno())
        os.chmod(aside, 0o666 & ~UMASK)  # some libraries write files that only their owner can read
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def digest_files(*paths: Path) -> str:
    """Sixteen hex digits of what files hold. Raises UserError where one is missing."""
    found = hashlib.sha256()
    for path in paths:
        try:
            with open(path, "rb") as file:
                found.update(hashlib.file_digest(file, "sha256").digest())
        except FileNotFoundError as error:
            remedy = f"Make it: snakemake --cores 1 {shlex.quote(str(path))}"
            raise UserError(f"{path}: there is no such file. {remedy}") from error
    return found.hexdigest()[:16]


def write_json(path: Path, content: Any) -> None:
    """Write JSON for people: indented, keys in the order given."""
    with atomic_write(path) as aside:
        aside.write_text(json.dumps(content, indent=2) + "\n")


def finite_or_none(value: Any) -> Any:
    """A value for JSON, which knows no infinity: None in its place."""
    return None if isinstance(value, float) and math.isinf(value) else value


def add_checksum(content: Mapping[str, Any]) -> dict[str, Any]:
    """Content for write_json, with a checksum of it."""
    return {**content, SEAL: _json_checksum(content)}


def verify_checksum(content: Mapping[str, Any]) -> dict[str, Any]:
    """What was sealed. Raises ValueError where it is not what it was; content without a seal is taken as it is."""
    rest = {key: value for key, value in content.items() if key != SEAL}
    if content.get(SEAL, _json_checksum(rest)) != _json_checksum(rest):
        raise ValueError("its checksum is that of other contents")
    return rest


def _json_checksum(content: Mapping[str, Any]) -> str:
    return f"{zlib.crc32(json.dumps(content, sort_keys=True).encode()):08x}"


def write_parquet(path: Path, table: pa.Table, metadata: dict[str, str] | None = None) -> None:
    """Write a table, with `metadata` beside its schema."""
    kept = {**(table.schema.metadata or {}), **{k.encode(): v.encode() for k, v in (metadata or {}).items()}}
    with atomic_write(path) as aside:
        pq.write_table(table.replace_schema_metadata(kept), aside, write_page_checksum=True)


def read_parquet(path: Path, name: str | Path | None = None, remedy: str | None = None) -> pa.Table:
    """A table, held against its checksums. Raises UserError where it is damaged or not there.

    name, remedy: what to call it in the error, and what to do about it; by default its path, and to make it again.
    """
    try:
        return pq.read_table(path, page_checksum_verification=True)
    except (OSError, pa.ArrowInvalid) as error:
        raise UserError(
            f"{name or path}: not a readable Parquet file ({error}). {remedy or remake_remedy(path)}"
        ) from error
