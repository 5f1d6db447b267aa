"""Measure the speed and memory of the data stream, and write them as JSON and as a table."""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from knowledge_capacity import console
from knowledge_capacity.data.benchmark import measure
from knowledge_capacity.files import replacing, write_json

ROWS = {
    "n_people": ("people", "{:,}"),
    "tokens_per_biography": ("tokens per biography", "{:.1f}"),
    "biographies_per_second": ("biographies/s", "{:,.0f}"),
    "packed_biographies_per_second": ("biographies/s, packed into windows", "{:,.0f}"),
    "packed_tokens_per_second": ("tokens/s, packed into windows", "{:,.0f}"),
    "loop_biographies_per_second": ("the obvious loop: biographies/s", "{:,.0f}"),
    "ratio_word": ("times the loop, one token a word", "{:.1f}"),
    "ratio_word_packed": ("times the loop, packed", "{:.1f}"),
    "ratio_byte_pair": ("times the loop, byte pairs", "{:.1f}"),
    "bytes_per_person": ("bytes per person in memory", "{}"),
    "file_bytes_per_person": ("bytes per person on disk", "{:.1f}"),
    "draw_and_write_seconds": ("seconds to draw and write all people", "{:.1f}"),
    "read_seconds": ("seconds to read them", "{:.1f}"),
    "peak_bytes_stream": ("most memory, bytes", "{:,}"),
}


def job(arguments: argparse.Namespace, log: console.Log) -> None:
    if arguments.one:  # in a process of its own, so that its memory is its own
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(measure(arguments.one, Path(folder) / "people.parquet")))
        return
    found = []
    for n in arguments.people:
        command = [sys.executable, __file__, "--one", str(n)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603 (our own)
        found.append(json.loads(done.stdout))
    write_json(arguments.output.with_suffix(".json"), found)
    table = "| | " + " | ".join("" for _ in found) + " |\n|---" + "|---:" * len(found) + "|\n"
    for key, (label, form) in ROWS.items():
        cells = [form.format(one[key]) if key in one else "" for one in found]
        table += f"| {label} | {' | '.join(cells)} |\n"
    with replacing(arguments.output.with_suffix(".md")) as aside:
        aside.write_text(f"bioS at full pools, on one core.\n\n{table}", encoding="utf-8")
    log.say(table)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="benchmark", description=__doc__)
    parser.add_argument(
        "--people",
        nargs="+",
        type=int,
        default=[10_000, 100_000, 10_000_000],
        metavar="N",
        help="sizes (default: 10 thousand, 100 thousand and 10 million)",
    )
    parser.add_argument("--one", type=int, metavar="N", help="measure this size alone, and print it as JSON")
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("results/benchmarks/stream"),
        metavar="PATH",
        help="without an ending",
    )
    console.main(job, parser)
