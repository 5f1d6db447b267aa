"""The study on a cluster: a real Slurm of two machines, which `make test-slurm` starts on this one."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from helpers import run_workflow
from knowledge_capacity.planning import job_resources
from knowledge_capacity.specs import parse_run

pytestmark = pytest.mark.skipif(
    not Path("/run/knowledge-capacity-slurm").exists(), reason="no Slurm for tests: make test-slurm"
)

# as envs/slurm says, but without accounting and at once
HERE = """--slurm-no-account --slurm-status-command squeue --slurm-init-seconds-before-status-checks 15
    --seconds-between-status-checks 2 --latency-wait 10""".split()
PROFILE = ("--workflow-profile", "envs/slurm", *HERE)
NO_GPU = ("--set-resources", "train:gpu=0")
RECIPE = {"lr": 2e-2, "weight_decay": 0, "batch_size": 4, "window": 64, "warmup_steps": 10}
QUESTIONS: dict[str, Any] = {
    "extractions": {"questions": {"rank": 2, "lr": 2e-2, "epochs": 1}},
    "quantizers": {"int8-gptq": {"method": "gptq", "bits": 8}},
}
TIMEOUT = 1200
FEW = 300  # exposures
SECONDS = 100  # of training: longer than a job of one minute and than the time between checkpoints


def study(folder: Path, exposures: int, sizes: tuple[str, ...] = ("2-1-d8",), **other: Any) -> Path:
    """Write an overlay for a study of one dataset, and give its path."""
    grid = {"datasets": ["bioS-tiny"], "families": ["gpt2"], "sizes": list(sizes), "recipes": ["some"]}
    variants = ["fp32", "int8", *other.get("quantizers", ()), *other.get("extractions", ())]
    law = {"seeds": [0], "variants": variants, "grids": [grid]}
    overlay = {
        "only": ["base_law"],
        "recipes": {"some": {**RECIPE, "exposures": exposures}},
        "experiments": {"base_law": law},
        **other,
    }
    file = folder / "study.yaml"
    file.write_text(yaml.safe_dump(overlay))
    return file


class Submitted:
    """Snakemake, started in a folder; what it says goes to `log`."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder, self.log = folder, folder / "said.log"
        with open(self.log, "a") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "snakemake", *arguments, "--configfile", "study.yaml"],
                cwd=folder,
                env=run_workflow.environment(),
                stdout=log,
                stderr=log,
            )

    def wait(self, ok: bool = True) -> str:
        status = self.process.wait(TIMEOUT)
        said = self.log.read_text()
        assert (status == 0) == ok, said
        return said


def until(holds: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + TIMEOUT
    while not (found := holds()):
        assert time.monotonic() < deadline, what
        time.sleep(0.2)
    return found


def jobs() -> dict[str, dict[str, str]]:
    """All jobs of Slurm: how they stand, their time limit, processors, GPUs, machines, and what they are for."""
    fields = {
        "id": "JobID",
        "state": "State",
        "limit": "TimeLimit",
        "cpus": "NumCPUs",
        "gpus": "tres-per-job",
        "each": "tres-per-node",
        "on": "NodeList",
    }
    format_ = ",".join(f"{field}:|" for field in (*fields.values(), "Comment"))
    lines = subprocess.run(
        ["squeue", "--noheader", "--states=all", f"--Format={format_}"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    rows = [dict(zip((*fields, "what"), line.split("|"), strict=False)) for line in lines]
    return {row["id"]: row for row in rows}


def training(state: str) -> list[str]:
    return [name for name, job in jobs().items() if job["state"] == state and "rule_train" in job["what"]]


def checkpoint(folder: Path) -> Path | None:
    return next(folder.glob("results/runs/*/*/*/seed0/checkpoint.safetensors"), None)


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Path]:
    yield run_workflow.copy_tree(tmp_path / "a study")
    subprocess.run(["scancel", "--user", str(os.getuid())], check=True)
    for machine in ("one", "two"):
        subprocess.run(
            ["scontrol", "update", f"nodename={machine}", "state=resume"], check=False, capture_output=True
        )


@pytest.fixture(scope="module")
def long_exposures(tmp_path_factory: pytest.TempPathFactory) -> int:
    """The exposures that are trained for SECONDS on this machine."""
    folder = run_workflow.copy_tree(tmp_path_factory.mktemp("speed") / "a study")
    study(folder, exposures=FEW)
    run_workflow.snakemake(folder, "--cores", "1", "--configfile", "study.yaml")
    (record,) = folder.glob("results/runs/*/*/*/*/run.json")
    return round(FEW * SECONDS / json.loads(record.read_text())["seconds"])


def test_a_study_through_slurm_measures_what_it_measures_here(tree: Path, tmp_path: Path) -> None:
    file = study(tree, exposures=50, sizes=("2-1-d8", "2-1-d10"))
    before = set(jobs())
    Submitted(tree, *PROFILE).wait()
    new = {name: job for name, job in jobs().items() if name not in before}
    measuring = [job for job in new.values() if "measure" in job["what"]]
    assert len(measuring) == 2, "one job measures all of a cell"
    trained = [job for job in new.values() if "rule_train" in job["what"]]
    assert len(trained) == 2
    for record in tree.glob("results/runs/*/*/*/*/run.json"):
        run = parse_run(json.dumps(json.loads(record.read_text())["run"]))
        assert {job["limit"] for job in trained} == {f"{job_resources.training_minutes([run], 'gpu')}:00"}
    assert {job["gpus"] for job in trained} == {"gres:gpu:1"}
    here = run_workflow.copy_tree(tmp_path / "here")
    shutil.copy(file, here)
    run_workflow.snakemake(here, "--cores", "2", "--configfile", "study.yaml")
    pd.testing.assert_frame_equal(run_workflow.measured(tree), run_workflow.measured(here))
    again = Submitted(tree, *PROFILE, "--dry-run").wait()
    assert "Nothing to be done" in again


def test_the_smoke_study_goes_through(tree: Path) -> None:
    shutil.copy(tree / "studies/smoke.yaml", tree / "study.yaml")
    Submitted(tree, *PROFILE).wait()
    assert (tree / "results/scorecard.md").exists()


def test_a_run_that_fails_stops_no_other(tree: Path) -> None:
    models = {"broken": {"kind": "python", "function": "studies/models/broken.py:build"}}
    study(tree, 50, architectures=models)
    (tree / "studies/models/broken.py").write_text(
        "def build(vocabulary, window):\n    raise ValueError('broken')\n"
    )
    overlay = yaml.safe_load((tree / "study.yaml").read_text())
    grid = overlay["experiments"]["base_law"]["grids"][0]
    overlay["experiments"]["base_law"]["grids"].append(
        {"datasets": grid["datasets"], "architectures": ["broken"], "recipes": ["some"]}
    )
    (tree / "study.yaml").write_text(yaml.safe_dump(overlay))
    said = Submitted(tree, *PROFILE, *NO_GPU, "--retries", "0").wait(ok=False)
    assert "ValueError" in said, "the error itself is told"
    (log,) = re.findall(r"results/logs/train/\S*broken\S*?\.log", said)[:1]
    assert "broken" in (tree / log).read_text()
    measurements = list(tree.glob("results/runs/*/*/*/seed0/measurements.parquet"))
    assert len(measurements) == 1, "the other run is trained and measured"


def test_a_job_whose_time_is_over_goes_on_in_another(tree: Path, tmp_path: Path, long_exposures: int) -> None:
    file = study(tree, exposures=long_exposures)
    said = Submitted(tree, *PROFILE, "--set-resources", "train:gpu=0", "train:runtime=1").wait()
    assert "Trying to restart job" in said
    here = run_workflow.copy_tree(tmp_path / "here")
    shutil.copy(file, here)
    run_workflow.snakemake(here, "--cores", "2", "--configfile", "study.yaml")
    pd.testing.assert_frame_equal(run_workflow.measured(tree), run_workflow.measured(here))


def test_a_machine_that_is_drained_gives_its_job_to_another(tree: Path, long_exposures: int) -> None:
    study(tree, exposures=long_exposures)
    submitted = Submitted(tree, *PROFILE, *NO_GPU)
    until(lambda: checkpoint(tree), "training saves its progress")
    (job,) = training("RUNNING")
    machine = jobs()[job]["on"]
    drain = ["scontrol", "update", f"nodename={machine}", "state=drain", "reason=test"]
    subprocess.run(drain, check=True)
    subprocess.run(["scontrol", "requeue", job], check=True)
    until(lambda: training("PENDING") == [job], "it waits again")
    subprocess.run(["scontrol", "update", f"jobid={job}", "starttime=now"], check=True)  # not in two minutes
    until(lambda: training("RUNNING") == [job], "it is started again")
    assert jobs()[job]["on"] != machine
    said = submitted.wait()
    assert "Trying to restart" not in said, "Slurm's business, not Snakemake's"
    (log,) = tree.glob("results/logs/train/*/*/*.log")
    assert "going on from step" in log.read_text()


def test_two_machines_train_one_run(tree: Path) -> None:
    study(tree, exposures=50)
    Submitted(tree, *PROFILE, *NO_GPU, "train:nodes=2", "train:tasks=2").wait()
    (record,) = tree.glob("results/runs/*/*/*/*/run.json")
    assert json.loads(record.read_text())["device"].startswith("2 × cpu")


def test_two_machines_have_their_gpus_and_one_task_each(tree: Path) -> None:
    study(tree, exposures=50)
    before = set(jobs())
    Submitted(tree, *PROFILE, "--set-resources", "train:nodes=2", "train:tasks=2", "train:gpu=2").wait()
    (record,) = tree.glob("results/runs/*/*/*/*/run.json")
    assert json.loads(record.read_text())["device"].startswith("2 × cpu")
    (job,) = (job for name, job in jobs().items() if name not in before and "rule_train" in job["what"])
    assert (job["each"], job["cpus"]) == ("gres:gpu:1", "2")


def test_all_that_runs_a_model_may_share_a_gpu(tree: Path) -> None:
    study(tree, exposures=50, **QUESTIONS)
    before = set(jobs())
    shares = [f"{stage}:gres=shard:1" for stage in ("train", "extract", "measure")]
    minutes = ("extract:runtime=6*attempt", "measure:runtime=7")
    Submitted(tree, *PROFILE, "--set-resources", *shares, *minutes).wait()
    asked = {
        re.sub(r"^rule_(\w+).*", r"\1", job["what"]): (job["each"], job["limit"])
        for name, job in jobs().items()
        if name not in before
    }
    assert asked["extract"] == ("gres:shard:1", "6:00")
    assert asked["measure"] == ("gres:shard:1", "7:00")
    assert asked["train"][0] == "gres:shard:1"
    assert asked["quantize"] == ("N/A", "31:00")
    measured = {variant.partition("-rank")[0] for variant in run_workflow.measured(tree).variant}
    assert measured == {"fp32", "int8-rtn", "int8-gptq", "questions"}


def test_what_a_partition_would_never_start_is_refused(tree: Path) -> None:
    study(tree, exposures=50)
    before = set(jobs())
    options = ("train:slurm_partition=short", "train:runtime=31")
    said = Submitted(tree, *PROFILE, "--set-resources", *options).wait(ok=False)
    assert "train:runtime=31: the partition short allows 30 minutes" in said
    assert not [job for name, job in jobs().items() if name not in before and "rule_train" in job["what"]]


def test_training_asks_for_no_more_than_its_partition_allows(tree: Path) -> None:
    """Of a model of whose size nothing is known, four hours are expected."""
    models = {"unknown": {"kind": "python", "function": "studies/models/unknown.py:build"}}
    file = study(tree, 50, architectures=models)
    overlay = yaml.safe_load(file.read_text())
    overlay["experiments"]["base_law"]["grids"] = [
        {"datasets": ["bioS-tiny"], "architectures": ["unknown"], "recipes": ["some"]}
    ]
    file.write_text(yaml.safe_dump(overlay))
    (tree / "studies/models/unknown.py").write_text(
        "from torch import nn\n\n\ndef build(vocabulary, window):\n"
        "    return nn.Sequential(nn.Embedding(vocabulary, 4), nn.Linear(4, vocabulary))\n"
    )
    before = set(jobs())
    rule = run_workflow.rule_of(tree, "train", "--configfile", "study.yaml")
    Submitted(tree, *PROFILE, "--set-resources", "train:slurm_partition=short", "--until", rule).wait()
    (job,) = (job for name, job in jobs().items() if name not in before and "rule_train" in job["what"])
    assert job["limit"] == "30:00"


def test_another_scheduler_by_its_submit_command(tree: Path) -> None:
    study(tree, exposures=50)
    text = (run_workflow.ROOT / "docs/clusters.md").read_text()
    (command,) = re.findall(r'--cluster-generic-submit-cmd "(.*?)"', text, re.DOTALL)
    Submitted(
        tree,
        "--executor",
        "cluster-generic",
        "--cluster-generic-submit-cmd",
        command.replace("\\\n", " "),
        "--jobs",
        "10",
        "--default-resources",
        "runtime=30",
        "mem_mb=4000",
        "--latency-wait",
        "10",
    ).wait()
    assert (tree / "results/scorecard.md").exists()


def test_stopping_snakemake_stops_its_jobs(tree: Path, long_exposures: int) -> None:
    study(tree, exposures=long_exposures)
    submitted = Submitted(tree, *PROFILE, *NO_GPU)
    until(lambda: checkpoint(tree), "training saves its progress")
    submitted.process.send_signal(signal.SIGINT)
    submitted.wait(ok=False)
    until(lambda: not training("RUNNING"), "Slurm ends the job")
    study(tree, exposures=long_exposures)
    Submitted(tree, *PROFILE, *NO_GPU).wait()
    (log,) = tree.glob("results/logs/train/*/*/*.log")
    assert "going on from step" in log.read_text()
