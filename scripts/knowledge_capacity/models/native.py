"""The C++ of the decoder on a processor (native/): built when first needed, called by name.

It is compiled for the machine at hand, in a few seconds, and kept in results/cache/native. Where that
fails there is none: `is_available` is false, `unavailable_reason` says why, and ops.py does it in plain torch.
KNOWLEDGE_CAPACITY_NATIVE=0 does without it on purpose. KNOWLEDGE_CAPACITY_CXXFLAGS adds flags of the
compiler: `-mno-avx512f` builds kernels for AVX2 on a processor with AVX-512.

Names and types of functions, arguments and structures are read from the source, which alone spells them:
a call names each argument.
"""

import ctypes
import hashlib
import os
import platform
import re
import shutil
import subprocess  # the compiler
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

FOLDER = Path(__file__).with_suffix("")
SOURCE = FOLDER / "kernels.cpp"
CACHE = Path(__file__).parents[3] / "results/cache/native"
# Of -ffast-math only what keeps NaN and infinity, and the order of sums, as they are.
FLAGS = "-std=c++17 -O3 -march=native -shared -fPIC -fno-math-errno -fno-trapping-math".split()

NUMBERS: dict[str, Any] = {"long": ctypes.c_long, "float": ctypes.c_float, "double": ctypes.c_double}
FUNCTION = re.compile(r"^(void \*|void |long )(\w+)\(([^)]*)\) \{", re.MULTILINE)
STRUCTURE = r"^struct {} \{{\n(.*?)^\}};"


def is_available() -> bool:
    """Whether the kernels can be used here; builds them when asked first."""
    return not unavailable_reason()


def unavailable_reason() -> str:
    """Why there are no kernels here; empty where there are."""
    return _load_library()[1]


@cache
def _load_library() -> tuple[Any, str]:
    """The loaded library, or None and the reason."""
    if os.environ.get("KNOWLEDGE_CAPACITY_NATIVE") == "0":
        return None, "KNOWLEDGE_CAPACITY_NATIVE is 0"
    try:
        library = ctypes.CDLL(str(_build_library()))
    except subprocess.CalledProcessError as error:
        return None, f"{error} {error.stderr}".strip()[:2000]
    except (OSError, subprocess.TimeoutExpired) as error:
        return None, str(error)
    for returned, name, arguments in _function_signatures().values():
        getattr(library, name).argtypes = list(arguments.values())
        getattr(library, name).restype = {"long": ctypes.c_long, "void": None}.get(returned, ctypes.c_void_p)
    # The threads of torch's own OpenMP, where it has one: a second pool would fight it for the cores.
    pool = getattr(ctypes.CDLL(None), "GOMP_parallel", None)
    library.use_pool(ctypes.cast(pool, ctypes.c_void_p) if pool else None)
    keep_memory()
    return library, ""


def keep_memory() -> None:
    """Have glibc keep the memory of freed tensors for the next ones, for the rest of the process.

    By default it hands large pieces back to the kernel, so that every step faults its pages in anew.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # glibc's own
    if mallopt:
        trim_threshold, top_pad, mmap_threshold = -1, -2, -3  # malloc.h
        mallopt(mmap_threshold, 1 << 30)
        mallopt(trim_threshold, 1 << 30)
        mallopt(top_pad, 64 << 20)


def _build_library() -> Path:
    """The library for this source, compiler and processor, built where it is not there yet.

    Raises OSError where there is no compiler or nowhere to build, CalledProcessError where building fails.
    """
    compiler = (os.environ.get("CXX") or "c++").split()
    if shutil.which(compiler[0]) is None:
        raise FileNotFoundError(f"there is no C++ compiler {compiler[0]}; set CXX")
    version = subprocess.run([*compiler, "--version"], capture_output=True, text=True, check=True)  # noqa: S603
    flags = [*FLAGS, *os.environ.get("KNOWLEDGE_CAPACITY_CXXFLAGS", "").split()]
    sources = [file.read_text() for file in sorted(FOLDER.iterdir())]
    made_from = [*sources, *compiler, *flags, version.stdout, _processor_features()]
    name = hashlib.sha256("\0".join(made_from).encode()).hexdigest()[:16] + ".so"
    folder = _cache_folder()
    if not (folder / name).is_file():
        with tempfile.TemporaryDirectory(dir=folder) as aside:
            built = Path(aside) / name
            command = [*compiler, *flags, str(SOURCE), "-o", str(built)]
            subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)  # noqa: S603
            os.replace(built, folder / name)  # whole or not at all, whoever else is building it
    return folder / name


def _cache_folder() -> Path:
    """Where libraries are kept: under results, or in a folder of this user's where that is read-only."""
    try:
        CACHE.mkdir(parents=True, exist_ok=True)
        if os.access(CACHE, os.W_OK):
            return CACHE
    except OSError:
        pass
    folder = Path(tempfile.gettempdir()) / f"knowledge-capacity-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid() or folder.stat().st_mode & 0o077:
        raise PermissionError(f"{folder} can be written by others; libraries are not loaded from there")
    return folder


def _processor_features() -> str:
    """What -march=native depends on."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    flags = [line for line in lines if line.startswith(("model name", "flags", "Features", "CPU part"))]
    return "\n".join([platform.machine(), platform.processor(), *sorted(set(flags))])


@cache
def _function_signatures() -> dict[str, tuple[str, str, dict[str, Any]]]:
    """By name, what each function of kernels.cpp returns, its name, and the ctypes of its arguments by name."""
    found = {}
    for returned, name, arguments in FUNCTION.findall(SOURCE.read_text().partition('extern "C"')[2]):
        pairs = (text.split()[-2:] for text in arguments.split(","))
        types = {
            word.lstrip("*"): ctypes.c_void_p if word.startswith("*") else NUMBERS[kind]
            for kind, word in pairs
        }
        found[name] = returned.strip(), name, types
    return found


@cache
def structure_type(name: str) -> type[ctypes.Structure]:
    """The structure of that name in decoder.h: numbers, pointers, and structures, by name."""
    match = re.search(STRUCTURE.format(name), (FOLDER / "decoder.h").read_text(), re.MULTILINE | re.DOTALL)
    assert match, name
    fields = []
    for declaration in match[1].split(";")[:-1]:
        kind, _, names = " ".join(declaration.split()).partition(" ")
        for word in names.split(", "):
            pointer = word.startswith("*")
            fields.append(
                (word.lstrip("*"), ctypes.c_void_p if pointer else NUMBERS.get(kind) or structure_type(kind))
            )
    return type(name, (ctypes.Structure,), {"_fields_": fields})


def call_kernel(name: str, **arguments: Any) -> Any:
    """Run a function of kernels.cpp, with as many threads as torch uses.

    Tensors are contiguous and stand for their data, None for a null pointer, structures for their address.
    """
    _, _, types = _function_signatures()[name]
    if "threads" in types:
        arguments["threads"] = torch.get_num_threads()
    assert arguments.keys() == types.keys(), (name, arguments.keys() ^ types.keys())
    values = [arguments[key] for key in types]
    return getattr(_load_library()[0], name)(*[x.data_ptr() if isinstance(x, Tensor) else x for x in values])


def is_supported(*tensors: Tensor | None) -> bool:
    """Whether the kernels take these: float32 on a CPU, outside of compilation and of function transforms."""
    for x in tensors:
        if x is not None and (
            x.dtype is not torch.float32 or not x.is_cpu or type(x) not in (Tensor, torch.nn.Parameter)
        ):
            return False
    return (
        not torch.compiler.is_compiling()
        and not torch.is_autocast_enabled("cpu")
        and not torch._C._are_functorch_transforms_active()
        and is_available()
    )
