"""Fused CPU kernels of the decoder (native.cpp): built when first needed, called through autograd.

They are compiled for the machine at hand, in a few seconds, and kept in results/cache/native. Where that
fails there are none: `available` is false, `reason` says why, and ops.py computes the same in plain torch.
KNOWLEDGE_CAPACITY_NATIVE=0 does without them on purpose. KNOWLEDGE_CAPACITY_CXXFLAGS adds flags of the
compiler: `-mno-avx512f` builds kernels for AVX2 on a processor with AVX-512.
"""

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess  # the compiler
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

SOURCE = Path(__file__).with_name("native.cpp")
CACHE = Path(__file__).parents[3] / "results/cache/native"
# Of -ffast-math only what keeps NaN and infinity, and the order of sums, as they are.
FLAGS = "-std=c++17 -O3 -march=native -shared -fPIC -fno-math-errno -fno-trapping-math".split()

TASK_ROWS = 64  # ROWS of native.cpp

POINTER, LONG, FLOAT = ctypes.c_void_p, ctypes.c_long, ctypes.c_float
SIGNATURES = {
    "attention_forward": [POINTER] * 6 + [LONG] * 7,
    "attention_backward": [POINTER] * 9 + [LONG] * 7,
    "activate_forward": [POINTER] * 3 + [LONG] * 4,
    "activate_backward": [POINTER] * 6 + [LONG] * 4,
    "gate_forward": [POINTER] * 2 + [LONG] * 4,
    "gate_backward": [POINTER] * 3 + [LONG] * 4,
    "norm_forward": [POINTER] * 8 + [LONG] * 2 + [FLOAT, LONG],
    "norm_backward": [POINTER] * 8 + [LONG] * 5,
    "cross_entropy_rows": [POINTER] * 3 + [LONG] * 5,
}


def available() -> bool:
    """Whether the kernels can be used here; builds them when asked first."""
    return not reason()


def reason() -> str:
    """Why there are no kernels here; empty where there are."""
    return _library()[1]


@cache
def _library() -> tuple[Any, str]:
    """The loaded library, or None and the reason."""
    if os.environ.get("KNOWLEDGE_CAPACITY_NATIVE") == "0":
        return None, "KNOWLEDGE_CAPACITY_NATIVE is 0"
    try:
        library = ctypes.CDLL(str(_built()))
    except subprocess.CalledProcessError as error:
        return None, f"{error} {error.stderr}".strip()[:2000]
    except (OSError, subprocess.TimeoutExpired) as error:
        return None, str(error)
    for name, arguments in SIGNATURES.items():
        getattr(library, name).argtypes = arguments
        getattr(library, name).restype = LONG if name == "cross_entropy_rows" else None
    # The threads of torch's own OpenMP, where it has one: a second pool would fight it for the cores.
    pool = getattr(ctypes.CDLL(None), "GOMP_parallel", None)
    library.use_pool.argtypes = [POINTER]
    library.use_pool.restype = None
    library.use_pool(ctypes.cast(pool, POINTER) if pool else None)
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


def _built() -> Path:
    """The library for this source, compiler and processor, built where it is not there yet.

    Raises OSError where there is no compiler or nowhere to build, CalledProcessError where building fails.
    """
    compiler = (os.environ.get("CXX") or "c++").split()
    if shutil.which(compiler[0]) is None:
        raise FileNotFoundError(f"there is no C++ compiler {compiler[0]}; set CXX")
    version = subprocess.run([*compiler, "--version"], capture_output=True, text=True, check=True)  # noqa: S603
    flags = [*FLAGS, *os.environ.get("KNOWLEDGE_CAPACITY_CXXFLAGS", "").split()]
    made_from = [SOURCE.read_text(), *compiler, *flags, version.stdout, _processor()]
    name = hashlib.sha256("\0".join(made_from).encode()).hexdigest()[:16] + ".so"
    folder = _folder()
    if not (folder / name).is_file():
        with tempfile.TemporaryDirectory(dir=folder) as aside:
            built = Path(aside) / name
            command = [*compiler, *flags, str(SOURCE), "-o", str(built)]
            subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)  # noqa: S603
            os.replace(built, folder / name)  # whole or not at all, whoever else is building it
    return folder / name


def _folder() -> Path:
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


def _processor() -> str:
    """What -march=native depends on."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    flags = [line for line in lines if line.startswith(("model name", "flags", "Features", "CPU part"))]
    return "\n".join([platform.machine(), platform.processor(), *sorted(set(flags))])


def usable(*tensors: Tensor | None) -> bool:
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
        and available()
    )


def _call(name: str, tensors: tuple[Tensor | None, ...], *numbers: float) -> Any:
    """Run a kernel on contiguous tensors, with as many threads as torch uses."""
    function = getattr(_library()[0], name)
    return function(
        *[None if x is None else x.data_ptr() for x in tensors], *numbers, torch.get_num_threads()
    )


class Attention(Function):
    """ops.attention, with the bias of joint."""

    @staticmethod
    def forward(
        ctx: Any, joint: Tensor, bias: Tensor | None, cos: Tensor, sin: Tensor, heads: int, groups: int
    ) -> Tensor:
        joint, cos, sin = joint.contiguous(), cos.contiguous(), sin.contiguous()
        batch, window, width = joint.shape
        head = width // (heads + 2 * groups)
        out = joint.new_empty(batch, window, heads * head)
        lse = joint.new_empty(batch, heads, window)
        ctx.sizes = batch, window, heads, groups, head, cos.shape[1]
        _call("attention_forward", (joint, bias, cos, sin, out, lse), *ctx.sizes)
        ctx.save_for_backward(joint, bias, cos, sin, out, lse)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        joint, bias, cos, sin, out, lse = ctx.saved_tensors
        grad_joint = torch.empty_like(joint)
        partial = None if bias is None else joint.new_empty(joint.shape[0], joint.shape[2])
        tensors = (grad.contiguous(), joint, bias, cos, sin, out, lse, grad_joint, partial)
        _call("attention_backward", tensors, *ctx.sizes)
        return grad_joint, None if partial is None else partial.sum(0), None, None, None, None


class Activate(Function):
    """ops.activate of x + bias."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, bias: Tensor | None, silu: bool) -> Tensor:
        x = x.contiguous()
        out = torch.empty_like(x)
        ctx.sizes = x.numel() // max(1, x.shape[-1]), x.shape[-1], silu
        _call("activate_forward", (x, bias, out), *ctx.sizes)
        ctx.save_for_backward(x, bias)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, bias = ctx.saved_tensors
        grad_x, grad_bias, partial = torch.empty_like(x), None, None
        if bias is not None:
            grad_bias, partial = torch.empty_like(bias), x.new_empty(_tasks(ctx.sizes[0]), ctx.sizes[1])
        _call("activate_backward", (grad.contiguous(), x, bias, grad_x, grad_bias, partial), *ctx.sizes)
        return grad_x, grad_bias, None


class Gate(Function):
    """ops.gate."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, silu: bool) -> Tensor:
        x = x.contiguous()
        half = x.shape[-1] // 2
        out = x.new_empty(*x.shape[:-1], half)
        ctx.sizes = out.numel() // max(1, half), half, silu
        _call("gate_forward", (x, out), *ctx.sizes)
        ctx.save_for_backward(x)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        (x,) = ctx.saved_tensors
        grad_x = torch.empty_like(x)
        _call("gate_backward", (grad.contiguous(), x, grad_x), *ctx.sizes)
        return grad_x, None


class Norm(Function):
    """ops.add_norm, or ops.norm where there is no update: then `sum` is x itself and is not returned."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        update: Tensor | None,
        update_bias: Tensor | None,
        weight: Tensor,
        bias: Tensor | None,
        eps: float,
    ) -> Tensor | tuple[Tensor, Tensor]:
        x, update = x.contiguous(), None if update is None else update.contiguous()
        width = x.shape[-1]
        ctx.rows = x.numel() // max(1, width)
        total = x if update is None else torch.empty_like(x)
        normed, stats = torch.empty_like(x), x.new_empty(ctx.rows, 2)
        tensors = (x, update, update_bias, weight, bias, total, normed, stats)
        _call("norm_forward", tensors, ctx.rows, width, eps)
        ctx.has = bias is not None, update is not None, update_bias is not None
        ctx.save_for_backward(total, weight, stats)
        return normed if update is None else (total, normed)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        total, weight, stats = ctx.saved_tensors
        centred, updated, update_biased = ctx.has
        width = total.shape[-1]
        grad_sum = grads[0].contiguous() if updated else None
        grad_x, totals = torch.empty_like(total), total.new_empty(3, width)
        partial = total.new_empty(_tasks(ctx.rows), 3, width)
        tensors = (grads[-1].contiguous(), grad_sum, total, weight, stats, grad_x, totals, partial)
        _call("norm_backward", tensors, ctx.rows, width, centred, update_biased)
        return (
            grad_x,
            grad_x if updated else None,
            totals[2] if update_biased else None,
            totals[0],
            totals[1] if centred else None,
            None,
        )


def cross_entropy(logits: Tensor, targets: Tensor, losses: Tensor, ignored: int, differentiate: bool) -> None:
    """Losses (n,) of logits (n, V), which become their gradients in place where wanted.

    All contiguous, targets int64; rows whose target is `ignored` give zeros. Raises IndexError for a target
    that is no column.
    """
    sizes = *logits.shape, ignored, differentiate
    if _call("cross_entropy_rows", (logits, targets, losses), *sizes):
        raise IndexError(f"targets must be {ignored} or at least 0 and below {logits.shape[1]}")


def _tasks(rows: int) -> int:
    """In how many parts sums over rows are taken."""
    return max(1, -(-rows // TASK_ROWS))
