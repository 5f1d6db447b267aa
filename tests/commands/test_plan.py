"""The count of a dry run's jobs by stage."""

from commands.plan import count_jobs

TABLE = """Building DAG of jobs...
Job stats:
job                                   count
------------------------------------  -------
people                                      4
train.bioS-1K.gpt2-2-1.exposures100         1
train.bioS-1K.gpt2-2-2.exposures100         1
collect_study                               1
total                                       7

Reasons:
    input files updated by another job:
        all, train.bioS-1K.gpt2-2-1.exposures100 1
"""


def test_jobs_are_counted_by_stage() -> None:
    assert count_jobs(TABLE) == {"people": 4, "train": 2, "collect_study": 1, "total": 7}


def test_nothing_to_be_done_has_no_jobs() -> None:
    assert (
        count_jobs("Building DAG of jobs...\nNothing to be done (all requested files are present).\n") == {}
    )
