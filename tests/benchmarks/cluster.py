"""What faults cost a search on a real SLURM (the sandbox of four nodes on this machine), as a Markdown table.

python -m tests.benchmarks.cluster [ROW ...] [--times 3] [--out FILE] [--port 25000]

Rows are the functions of `tests.benchmarks._cluster_faults`, all without any. FILE is written anew after every run;
needs root, and takes about a minute for each run.
"""

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.benchmarks._cluster_faults import FAULTS
from tests.benchmarks._cluster_measures import MEASURES
from tests.benchmarks._cluster_runs import Bench, Failed
from tests.slurm.sandbox import Sandbox, install, missing

HEAD = "| fault | run | trials asked | done | failed | lost | epochs begun again | best | seconds | what happened |"


def main(rows: list[str], times: int, out: Path, port: int) -> int:
    """Run every row `times` times; 1 when a run lost something."""
    with sandbox(port) as bench:
        for name in [name for name in rows if name in MEASURES]:
            found = f"## {name}\n\n{MEASURES[name](bench)}\n"
            print(found, flush=True)
            out.with_name(f"{out.stem}-{name}.md").write_text(found)
            bench.end()
        lines: list[str] = []
        for number in range(1, times + 1):
            for name in [name for name in rows or FAULTS if name in FAULTS]:
                lines.append(f"| {name} | {number} | {tried(bench, name)}")
                print(lines[-1], flush=True)
                out.write_text("\n".join([HEAD, "|---" * 10 + "|", *sorted(lines)]) + "\n")
    return int(any("NOT OK" in line for line in lines))


def tried(bench: Bench, name: str) -> str:
    """The cells of one run."""
    begun = time.monotonic()
    try:
        found = FAULTS[name](bench).row()
        cells, _, note = found.rpartition(" | ")
    except (Failed, AssertionError, OSError, IndexError, StopIteration) as error:
        keep(bench, name)
        said = f"{type(error).__name__}: {error}".replace("\n", " ").replace("|", "/")
        cells, note = "| | | | | ", f"NOT OK: {said[:400]}"
        traceback.print_exc()
    finally:
        seconds = time.monotonic() - begun
        bench.end()
    return f"{cells} | {seconds:.0f} | {note} |"


def keep(bench: Bench, name: str) -> None:
    """Keep the files of a run that went wrong."""
    for sweep in bench.sweeps:
        place = Path(tempfile.gettempdir()) / "au-bench-kept" / f"{name}-{sweep.root.name}-{os.getpid()}"
        for folder in (sweep.root, sweep.log):
            shutil.copytree(folder, place / folder.parent.name, dirs_exist_ok=True)


@contextmanager
def sandbox(port: int) -> Iterator[Bench]:
    """The cluster, for as long as the block takes; also when this process is told to end."""
    reason = missing() or install()
    if reason:
        raise SystemExit(reason)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    root = Path(tempfile.mkdtemp(prefix="au-b", dir="/tmp"))
    root.chmod(0o755)
    slurm = Sandbox(root / "s", port)
    bench = Bench(root, slurm)
    os.environ |= slurm.environment
    try:
        slurm.start()
        yield bench
    finally:
        try:
            bench.end()
        finally:
            slurm.stop()
            shutil.rmtree(root, ignore_errors=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="*", choices=[*FAULTS, *MEASURES, []])
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("faults_slurm.md"))
    parser.add_argument("--port", type=int, default=25_000)
    asked = parser.parse_args()
    sys.exit(main(asked.rows, asked.times, asked.out, asked.port))
