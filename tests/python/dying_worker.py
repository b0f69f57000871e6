"""Stands in for the reading of a file, in a module that a worker process loads quickly."""

import os

from ppgfast.cli.work import Done, Job


def one(job: Job) -> Done:
    """Ends the process, as a library that crashes does, on one file; any other is done."""
    if job.file.name == "bad.csv":
        os._exit(3)
    return Done(str(job.file), out=str(job.out), windows=1)


def stopped(job):
    """Ctrl-C reaches the worker while it works."""
    raise SystemExit(1)
