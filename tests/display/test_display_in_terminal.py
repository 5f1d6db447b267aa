"""`snakemake --logger study` in a real terminal: what stays on the screen in the end, and what was shown meanwhile."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from subprocess import PIPE

import pytest
from helpers.run_workflow import ROOT, environment, finish
from helpers.terminal import render_screen, run_in_terminal

SNAKEFILE = r"""
CELLS = ["good", "broken", "late"]


rule all:
    input:
        expand("{cell}.txt", cell=CELLS),


for cell in CELLS:

    rule:
        name:
            f"train.{cell}.small"
        output:
            f"{cell}.txt",
        log:
            f"logs/{cell}.log",
        params:
            cell=cell,
        message:
            f"train {cell}/small"
        shell:
            "python job.py {params.cell} {log} {output}"


onerror:
    print("The same command goes on.", file=sys.stderr)
"""
JOB = """
import os, sys, time
cell, log, output = sys.argv[1:]
if "SILENT" in os.environ:
    sys.stderr = open(os.devnull, "w")
with open(log, "a", buffering=1) as file:
    def say(line):
        file.write(f"12:00:00 {line}\\n")
        print(line, file=sys.stderr, flush=True)
    file.write("12:00:00 job.py\\n")
    say(f"train {cell}/small/seed0:  50% of it, 0:01 left")
    print(f"stray\\rwords of {cell}", file=sys.stderr, flush=True)
    time.sleep({"good": 1.2, "broken": 0.1, "late": 60}[cell])
    if cell == "broken":
        file.write("12:00:01 Traceback (most recent call last):\\n")
        say("train: ValueError: it broke")
        sys.exit(3)
open(output, "w").close()
"""
SNAKEMAKE = [sys.executable, "-m", "snakemake", "--quiet", "host", "reason", "--keep-going", "--cores", "1"]
WITH_DISPLAY = [*SNAKEMAKE[:3], "--logger", "study", *SNAKEMAKE[3:]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    (tmp_path / "job.py").write_text(JOB)
    return tmp_path


def with_plugin() -> dict[str, str]:
    return {**environment(), "PYTHONPATH": str(ROOT / "scripts"), "TERM": "xterm", "COLUMNS": ""}


@pytest.mark.slow
def test_what_failed_stays_and_jobs_leave_no_lines(folder: Path) -> None:
    written, status = run_in_terminal(
        [*WITH_DISPLAY, "--retries", "1", "good.txt", "broken.txt"], folder, with_plugin()
    )
    assert status == 1
    shown = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", written)
    assert re.search(r"train ━+[╸╺]?━* [01] of 2", shown)
    assert re.search(r"train good/small\s+0:0\d  seed0: 50% of it, 0:01 left", shown)
    assert written.rindex("\x1b[?25h") > written.rindex("\x1b[?25l")  # the cursor is there again
    screen = render_screen(written)
    (log,) = (folder / ".snakemake/log").iterdir()
    failed = [
        "failed: train broken/small (exit status 3)",
        "  train broken/small/seed0:  50% of it, 0:01 left",
        "  Traceback (most recent call last):",
        "  train: ValueError: it broke",
        "  log: logs/broken.log",
    ]
    kept = [line for line in screen if line and "stray" not in line and "words of" not in line]
    kept.remove("The same command goes on.")
    assert kept[:-1] == ["Building DAG of jobs...", *failed, "  It is run again.", *failed]
    assert re.fullmatch(
        rf"1 of 2 jobs done in 0:\d\d, 1 failed \(above\); log: {re.escape(str(log.relative_to(folder)))}",
        kept[-1],
    )
    assert sorted(line for line in screen if "words" in line) == ["words of broken"] * 2 + ["words of good"]
    assert "Finished jobid" in log.read_text()


def test_an_interrupted_run_leaves_a_sound_terminal(folder: Path) -> None:
    def press(screen: str) -> bytes:
        return b"\x03" if "words of late" in screen else b""

    written, status = run_in_terminal([*WITH_DISPLAY, "late.txt"], folder, with_plugin(), press)
    assert status == 1
    assert written.rindex("\x1b[?25h") > written.rindex("\x1b[?25l")
    screen = "\n".join(render_screen(written))
    assert re.search(r"^interrupted: 0 of 1 jobs done in 0:\d\d; log: \.snakemake/log/", screen, re.M)
    assert "The same command goes on." in screen
    assert "failed" not in screen
    assert "━" not in screen


def test_commands_that_run_a_study_show_it_too(folder: Path) -> None:
    shutil.copytree(ROOT / "envs/local", folder / "envs/local")
    (folder / "study.yaml").write_text("{}\n")
    command = (
        f"import sys; from pathlib import Path; sys.path.insert(0, {str(ROOT / 'scripts')!r})\n"
        "from knowledge_capacity.study.running import run_snakemake\n"
        "print('status', run_snakemake([Path('study.yaml')], 'local', '1', ['late.txt']))\n"
    )

    def press(screen: str) -> bytes:
        return b"\x03" if "words of late" in screen else b""

    written, _ = run_in_terminal(
        [sys.executable, "-c", command], folder, {**environment(), "TERM": "xterm"}, press
    )
    screen = "\n".join(render_screen(written))
    assert re.search(r"^interrupted: 0 of 1 jobs done", screen, re.MULTILINE)
    assert screen.rstrip().endswith("interrupted. The same command goes on from there.")


def test_a_run_outlives_its_display(folder: Path) -> None:
    with (folder / "Snakefile").open("a") as file:
        file.write("\n\nimport snakemake_logger_plugin_study.display as display\n\ndisplay.draw_run = None\n")
    written, status = run_in_terminal([*WITH_DISPLAY, "good.txt"], folder, with_plugin(), columns=200)
    assert status == 0
    assert "TypeError: 'NoneType' object is not callable" in written
    assert "1 of 1 steps (100%) done" in written
    assert written.rindex("\x1b[?25h") > written.rindex("\x1b[?25l")


def test_errors_of_the_workflow_are_told_in_full(folder: Path) -> None:
    with (folder / "Snakefile").open("a") as file:
        file.write('\n\nraise WorkflowError("The configuration cannot be used:\\nline 3")\n')
    written, status = run_in_terminal(WITH_DISPLAY, folder, with_plugin(), columns=200)
    assert status == 1
    said = render_screen(written)
    at = next(n for n, line in enumerate(said) if line.startswith("WorkflowError in file"))
    assert said[at + 1 : at + 3] == ["The configuration cannot be used:", "line 3"]


@pytest.mark.slow
def test_elsewhere_lines_are_as_without_it(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    silent = {**with_plugin(), "SILENT": "yes"}  # lines of Snakemake's alone, which come in order
    other = shutil.copytree(folder, tmp_path_factory.mktemp("other") / "folder")
    started = {
        place: subprocess.Popen([*command, "broken.txt"], cwd=place, env=silent, stdout=PIPE, stderr=PIPE)
        for place, command in ((folder, WITH_DISPLAY), (other, SNAKEMAKE))
    }
    said = []
    for place, process in started.items():
        output, errors = finish(process)
        assert (process.returncode, output) == (1, "")
        errors = errors.replace(str(place), "").replace(
            "The same command goes on.", ""
        )  # comes when it likes
        lines = re.sub(r"\[\w{3} \w{3} .*\]|\d[\dT:.-]{9,}", "", errors).splitlines()
        assert "Error in rule train.broken.small:" in lines
        said.append([line for line in lines if line])
    assert said[0] == said[1]


def test_make_asks_for_the_display_in_a_terminal(folder: Path) -> None:
    command = [
        "make",
        "--dry-run",
        "--old-file",
        ".venv/ready",
        "-f",
        str(ROOT / "Makefile"),
        "study",
        "PROFILE=local",
    ]
    for name in ("envs", "studies"):
        (folder / name).symlink_to(ROOT / name)
    own = {
        name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")
    }
    piped = subprocess.run(command, cwd=folder, env=own, capture_output=True, text=True, check=True).stdout
    in_terminal, _ = run_in_terminal(command, folder, own)
    plain, _ = run_in_terminal([*command, "PLAIN=1"], folder, own)
    assert "--logger study" in in_terminal
    assert "--logger" not in piped
    assert "--logger" not in plain
