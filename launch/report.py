"""Write the HTML page of a study: see --help.

The one door from the command lines to `reports`.
"""

import sys
from pathlib import Path

from data.files import check_writable
from launch.cli import Settings, run_command
from launch.preflight import searched_study
from reports.page import write_report
from study.store import StudyStore


def write_page(store: StudyStore) -> Path:
    """Write the page of `store` and return where it lies."""
    return write_report(store, store.report_path)


def main(keys: Settings) -> int:
    """Write the page."""
    store = searched_study(keys)
    check_writable(store.root)
    print(f"report: {write_page(store)}")
    return 0


if __name__ == "__main__":
    sys.exit(run_command("report", main))
