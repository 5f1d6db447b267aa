# make study        set up .venv and run the study to its figures (STUDY=smoke, longer, gpu or paper for another one)
# make test         set up .venv and run the checks and the quick tests (make test-slow: whole studies; make test-all: both)
# make plan         what `make study` would run, and how long it would take, without running it
# make watch        how far a study is, on a page for the browser: results/explorer.html, made again every half minute
# make report       figures, numbers, scorecard and workflow in one file: results/report.zip
# make bits         bits per parameter of your own model: MODEL=path/to/file.py:function (docs/your-own-model.md)
# make noise        how far seeds lie apart here, and what difference so many can tell: MODEL as above, SEEDS=8 (docs/noise.md)
# make compare      whether A stores more than B: OPTIONS="--a architecture=NAME --b architecture=NAME" (docs/comparing.md);
#                   without OPTIONS, which names there are
# make bands        whether this study lies where the published measurements let expect it (docs/troubleshooting.md)
# make capacity     the capacity of each architecture, in bits per parameter, from all of its runs
# make search       the same by as few runs as will do: OPTIONS="--architectures NAME NAME …"
# make budget       the runs that tell most in so many hours: HOURS=2 of this machine, STUDY=small; for a GPU see docs/planning.md
# make estimate     how many parameters hold English Wikipedia and textbooks, by the capacity measured
# make calibrate    hold the measuring instrument against models that know a known amount (docs/measuring.md)
# make coverage    how often 95 % intervals hold the truth, in made-up studies (docs/measuring.md); some ten minutes
# make cards        a page about each dataset of the study: results/data/DATASET/card.html
# make benchmark    measure data stream and training beside what one would otherwise use: results/benchmarks/*.md
# make test-slurm   the study through a real Slurm of two machines, started on this one (as root; slurm-wlm and munge)
# make faults       a study that is killed, runs out of disk, and finds its files damaged, in some ten minutes (as root)
# make fuzz         the readers of configurations and measurements against ten thousand wrong ones, in some ten minutes
# make doctor       versions, processor, GPUs, compiler, locks, disk and the last failures, for a report of a fault
# make audit        known holes in the pinned packages, as osv.dev tells them
# make story        a page for a lecture, results/story.html: what a bit of knowledge is, and a model filling up
# make slices       a large study in pieces, what tells most first, each published in results/published/STUDY as it is done:
#                   STUDY=gpu PROFILE=gpu (studies/gpu/ has the pieces); stop it and start it again when you like;
#                   with MINUTES=12, what tells most of what can be done in that time
# make figures      all figures and the scorecard: of this study or, without training anything, of SOURCE=published
#                   (or a file, a folder, an https address; docs/experiments.md)
# make publish      keep this study's measurements and figures under results/published/, and renew the pages
# make pages        renew the tables of README.md and docs/ that follow from results/published/
# make lock         renew the pinned environment from envs/requirements.in
# In a terminal, a study shows one display, with a bar for each stage; PLAIN=1 prints lines about each job instead.
# SEEDS=8 gives every experiment of a study so many seeds, ONLY=junk,base_law runs these experiments alone.
# CORES=4 limits the cores used; by default all are. PROFILE=gpu is for a machine with GPUs (envs/gpu/profile.yaml).

SHELL := /bin/bash
PYTHON ?= python3
CORES ?= all
STUDY ?=
SEEDS ?=
ONLY ?=
HOURS ?=
MINUTES ?=
MODEL ?=
PROFILE ?= local
PLAIN ?=
OPTIONS ?=
SOURCE ?=
MEASUREMENTS ?= results/measurements.parquet

export PATH := $(CURDIR)/.venv/bin:$(PATH)
COMMANDS = bands bits budget calibrate capacity compare coverage doctor estimate noise pages search slices story summary
WHERE = --profile $(PROFILE) --cores $(CORES)
RUNNING = --workflow-profile envs/$(PROFILE) --cores $(CORES)
SNAKEMAKE = snakemake $(RUNNING)
 # with one calm display in a terminal (scripts/snakemake_logger_plugin_study)
CALM := $(if $(PLAIN),,$(shell test -t 2 && echo yes))
STUDY_RUN = $(if $(CALM),PYTHONPATH=scripts$${PYTHONPATH:+:$$PYTHONPATH} snakemake --logger study,snakemake) $(RUNNING)
OVERLAY = $(strip $(if $(STUDY),--configfile studies/$(STUDY).yaml) \
	$(if $(SEEDS)$(ONLY),--config $(if $(SEEDS),seeds=$(SEEDS)) $(if $(ONLY),'only=[$(ONLY)]')))
CHECK = @python scripts/commands/check.py config.yaml $(if $(STUDY),studies/$(STUDY).yaml)

 # Snakemake passes over a profile that is not there, and ends in a traceback without its study.
ifneq ($(STUDY),)
ifeq ($(wildcard studies/$(STUDY).yaml),)
$(error there is no study $(STUDY); there are: $(sort $(notdir $(basename $(wildcard studies/*.yaml)))))
endif
endif
ifeq ($(and $(PROFILE),$(wildcard envs/$(PROFILE)/*.yaml)),)
$(error there is no envs/$(PROFILE); PROFILE may be: $(sort $(notdir $(patsubst %/,%,$(dir $(wildcard envs/*/*.yaml))))))
endif

.PHONY: study plan watch report cards figures benchmark test test-slow test-all test-slurm faults fuzz audit publish lock help $(COMMANDS)
.DEFAULT_GOAL := help

help:
	@sed -n 's/^# //p' Makefile

study: .venv/ready
	$(CHECK)
	$(STUDY_RUN) $(OVERLAY)
	@python scripts/commands/summary.py $(if $(STUDY),--study $(STUDY))
	@python scripts/commands/bands.py results/measurements.parquet
	@echo "scorecard: results/scorecard.html  explorer: results/explorer.html  figures: results/figures/"

plan: .venv/ready
	$(CHECK)
	@if ls .snakemake/locks/* > /dev/null 2>&1; then echo "A study is at work here, or was killed. This is what it has left:"; fi
	@set -o pipefail; $(SNAKEMAKE) --dry-run --quiet host reason rules $(OVERLAY) | \
		python scripts/commands/plan.py $(OVERLAY) --cores $(CORES)

watch: .venv/ready
	@python scripts/explorer.py --watch 30 --configfile config.yaml $(if $(STUDY),studies/$(STUDY).yaml)

report: .venv/ready
	$(CHECK)
	$(SNAKEMAKE) --report results/report.zip $(OVERLAY)

 # A command is its script in scripts/commands, with these arguments.
bits: ARGUMENTS = "$(MODEL)" $(WHERE) $(if $(SEEDS),--seeds $$(seq 0 $$(($(SEEDS) - 1))))
noise: ARGUMENTS = "$(MODEL)" $(WHERE) $(if $(SEEDS),--seeds "$(SEEDS)")
budget: ARGUMENTS = $(if $(HOURS),--hours "$(HOURS)") --profile $(PROFILE) $(if $(STUDY),--configfile studies/$(STUDY).yaml)
calibrate search story: ARGUMENTS = $(WHERE)
bands capacity compare estimate: ARGUMENTS = $(MEASUREMENTS)
slices: ARGUMENTS = "$(STUDY)" $(WHERE) $(if $(MINUTES),--minutes "$(MINUTES)")

$(COMMANDS): .venv/ready
	@python scripts/commands/$@.py $(ARGUMENTS) $(OPTIONS)

cards: .venv/ready
	$(CHECK)
	$(STUDY_RUN) data_cards $(OVERLAY)

benchmark: .venv/ready
	python scripts/commands/benchmark.py stream
	python scripts/commands/benchmark.py training
	python scripts/commands/benchmark.py concurrent
	python scripts/commands/benchmark.py stacks
	python scripts/commands/benchmark.py measuring
	python scripts/commands/benchmark.py planning

TESTS = pytest --numprocesses $(if $(filter all,$(CORES)),logical,$(CORES)) --maxprocesses 4 --dist loadfile --no-loadscope-reorder

test: .venv/ready
	ruff check
	ruff format --check --quiet
	snakefmt --check --compact-diff .
	mypy
	snakemake --lint
	$(TESTS) -m "not slow" --ignore tests/slurm
	@echo "Left out: whole studies, make test-slow. make test-all runs both."

test-slow: .venv/ready
	$(TESTS) -m slow

test-all: test test-slow

test-slurm: .venv/ready
	tests/slurm/cluster.sh start
	pytest tests/slurm $(OPTIONS); status=$$?; tests/slurm/cluster.sh stop; exit $$status

faults: .venv/ready
	FAULTS=all pytest tests/test_faults.py

fuzz: .venv/ready
	FUZZ=all pytest tests/test_fuzz.py

audit: .venv/ready
	python -m venv .venv/audit
	.venv/audit/bin/pip install --quiet --disable-pip-version-check pip-audit==2.10.1
	.venv/audit/bin/pip-audit --vulnerability-service osv --no-deps --disable-pip --requirement envs/requirements.txt

figures: .venv/ready
	$(CHECK)
	$(STUDY_RUN) figures $(OVERLAY) $(if $(SOURCE),--config "source=$(SOURCE)")

publish: .venv/ready
	$(CHECK)
	$(STUDY_RUN) publish $(OVERLAY)
	@python scripts/commands/pages.py

.venv/ready: envs/requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version.split()[0] + "; set PYTHON=/path/to/it")'
	@echo "Setting up .venv with the packages of envs/requirements.txt (once; a few minutes)."
	$(PYTHON) -m venv .venv
	.venv/bin/pip install --quiet --disable-pip-version-check -r envs/requirements.txt
	@touch .venv/ready

lock:
	rm -rf .venv/lock && $(PYTHON) -m venv .venv/lock
	.venv/lock/bin/pip install --quiet --disable-pip-version-check -r envs/requirements.in
	.venv/lock/bin/pip freeze | sed -n -e '/^\(nvidia\|cuda\|triton\)/d' -e 's/+[a-z0-9.]*$$//' -e p > envs/requirements.txt
	sed -e '/^      - .*==/d' envs/study.yaml > .venv/study.yaml
	sed 's/^/      - /' envs/requirements.txt | cat .venv/study.yaml - > envs/study.yaml
	rm -rf .venv/lock .venv/study.yaml
