#!/usr/bin/env bash
# Snakemake 9.27.1: a job whose output is missing is not run, and the exit status is 0, where its only input is marked
# ancient() and the job that makes this input has a reason of its own to run. The same command once more makes it.
#
# Seen in planning: a job with a reason to run takes all that depends on it along unchecked, since these would follow
# anyway. Then jobs whose inputs are all ancient and exist are left out again, whatever reason of their own they have.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check snakemake==9.27.1
cat > Snakefile << 'RULES'
rule all:
    input: "copy.txt"
rule copy:
    input: ancient("source.txt")
    output: "copy.txt"
    shell: "cp {input} {output}"
rule source:
    output: "source.txt"
    params: version=config.get("version", 1)
    shell: "echo {params.version} > {output}"
RULES
run() { venv/bin/snakemake "$@" --cores 1 --quiet all > log 2>&1; }
venv/bin/snakemake --version
run source.txt
status=0
run --config version=2 || status=$?
first=$([ -e copy.txt ] && echo there || echo missing)
run --config version=2
second=$([ -e copy.txt ] && echo there || echo missing)
echo "exit status $status; copy.txt after the first run: $first, after the second: $second"
[ "$status $first $second" = "0 missing there" ]
