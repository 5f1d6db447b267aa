"""Doing the same work over and over, in the fastest way that it and the machine allow.

On a GPU its parts are compiled, and the whole is captured once as a CUDA graph and replayed from then on, so that
small models do not wait for their kernels to be launched. What cannot be compiled or captured is run in the next
best way.
"""

from collections.abc import Callable

import torch

WARM_UP = (
    3  # times before the capture: compilers compile in them, libraries and optimisers make their buffers
)


class Engine:
    """Runs a piece of work that reads and writes the same tensors every time.

    capturing: whether it is captured, or is going to be; then its tensors must stay where they are.
    """

    def __init__(
        self,
        work: Callable[[bool], None],
        forget: Callable[[], None],
        compiling: bool,
        capturing: bool,
        say: Callable[[str], None],
    ) -> None:
        """work: told whether to use its compiled parts. forget: drops what is left of work that failed.
        say: told what cannot be done.
        """
        self._work, self._forget, self._say = work, forget, say
        self._compiling, self.capturing = compiling, capturing
        self._replay: Callable[[], None] | None = None
        self._done = 0

    @property
    def name(self) -> str:
        """How the work is done: eager, compiled or captured."""
        if self._replay:
            return "captured"
        return "compiled" if self._compiling else "eager"

    def run(self) -> None:
        """Do the work once."""
        if self.capturing and self._replay is None and self._done == WARM_UP:
            try:
                self._replay = capture_graph(self._run)
            except Exception as error:  # of many kinds: what cannot be captured is for CUDA to say
                self._say(f"its steps cannot be captured as a CUDA graph ({describe_error(error)})")
                self.capturing = False
                self._forget()
        if self._replay:
            self._replay()
        elif self.capturing:
            run_on_side_stream(self._run)
        else:
            self._run()
        self._done += 1

    def _run(self) -> None:
        try:
            self._work(self._compiling)
        except Exception as error:
            if self._done or not self._compiling:
                raise
            # whatever a compiler raises about a model that it cannot digest; nothing was updated yet
            self._say(f"its loss cannot be compiled ({describe_error(error)})")
            self._compiling = False
            self._forget()
            self._work(False)


def run_on_side_stream(run: Callable[[], None]) -> None:
    """Run on a stream of its own, as what is to be captured must be beforehand."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        run()
    torch.cuda.current_stream().wait_stream(stream)


def capture_graph(run: Callable[[], None]) -> Callable[[], None]:
    """Capture, without executing, what `run` does on the GPU; what is returned executes it."""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        run()
    return graph.replay


def describe_error(error: Exception) -> str:
    """What an error is, in one line."""
    said = str(error).strip().splitlines()
    return f"{type(error).__name__}: {said[0]}" if said else type(error).__name__
