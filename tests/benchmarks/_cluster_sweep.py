"""The command of a search whose trials sleep, see `tests.benchmarks._cluster_trial`; jobs unpickle from there."""

import sys

from tests.benchmarks._cluster_trial import run

sys.exit(run(sys.argv[1:]))
