"""The tests, which mirror the packages."""

import os

if (
    "PYTEST_XDIST_WORKER" in os.environ
):  # each process has one core, where a library would start a thread for every core
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("POLARS_MAX_THREADS", "1")
