"""Synthetic datasets in the raw form of the real ones, so that the readers of the real ones run on them."""

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import torch

from data.errors import InputError, raise_all
from data.files import Progress, check_writable, no_progress
from data.synthetic.layouts import Tick, subject_ids, write_affwild2, write_bp4d, write_disfa, write_gft
from data.synthetic.recordings import Plan

WRITERS: dict[str, Callable[[Path, Plan, Tick], None]] = {
    "bp4d": write_bp4d,
    "disfa": write_disfa,
    "gft": write_gft,
    "affwild2": write_affwild2,
}
LAYOUTS = tuple(WRITERS)
VERSION = 1  # raise it when the same arguments give other files
RECORD = "synthetic.json"
SIZES = {"affwild2": 112}  # pixels, where the size is left open
DEFAULT_SIZE = 128
BP4D_TASKS = 8


def write_tree(
    layout: str,
    out: Path,
    subjects: int = 12,
    sequences: int = 2,
    frames: int = 60,
    seed: int = 0,
    label_noise: float = 0.0,
    size: int | None = None,
    progress: Progress = no_progress,
) -> None:
    """Write the raw tree of `layout` to `out`: whole, or not at all.

    bp4d: `sequences` tasks of `frames` frames a subject; the others: one recording of `sequences * frames` frames.
    `label_noise` is the probability that an occurrence label in the files is wrong. `size` is the side of the face
    crops in pixels (None: 128, Aff-Wild2 112). The same arguments give the same bytes; `out` is reused if it was
    written with them. Raises `InputError` for arguments out of range and for an `out` that holds something else.
    """
    side = SIZES.get(layout, DEFAULT_SIZE) if size is None else size
    plan = Plan(layout, subjects, sequences, frames, seed, label_noise, side)
    raise_all("cannot write a synthetic tree:", list(_problems(plan)))
    if _already_there(out, plan):
        return
    with _whole_or_absent(out, plan) as folder, _one_thread():
        WRITERS[layout](folder, plan, _counter(plan, progress))
        (folder / RECORD).write_text(_record(plan))


def _problems(plan: Plan) -> Iterator[str]:
    if plan.layout not in LAYOUTS:
        yield f"layout {plan.layout!r}; allowed: {', '.join(LAYOUTS)}"
    else:
        most = len(subject_ids(plan.layout))
        if not 1 <= plan.subjects <= most:
            yield f"subjects {plan.subjects}; allowed for {plan.layout}: 1 to {most}"
    if plan.sequences < 1 or (plan.layout == "bp4d" and plan.sequences > BP4D_TASKS):
        yield f"sequences {plan.sequences}; allowed: 1 or more, at most {BP4D_TASKS} for bp4d"
    if plan.frames < 1:
        yield f"frames {plan.frames}; allowed: 1 or more"
    if not 0 <= plan.label_noise <= 1:
        yield f"label_noise {plan.label_noise}; allowed: a probability, 0 to 1"
    if not 32 <= plan.size <= 512 or plan.size % 2:
        yield f"size {plan.size}; allowed: even numbers from 32 to 512"


def _record(plan: Plan) -> str:
    return json.dumps({"version": VERSION, **asdict(plan)}, indent=1) + "\n"


def _already_there(out: Path, plan: Plan) -> bool:
    """Whether `out` is this very tree; raises `InputError` if it is anything else but absent or empty."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return False
    record = out / RECORD
    if record.is_file() and record.read_text() == _record(plan):
        return True
    kind = "a synthetic tree with other parameters (or of another version)" if record.is_file() else "something else"
    raise InputError(f"{out} holds {kind}. Give another folder, or remove this one and run again.")


@contextmanager
def _whole_or_absent(out: Path, plan: Plan) -> Iterator[Path]:
    """A folder beside `out` that is renamed to `out` when the block succeeds and removed when it fails."""
    check_writable(out.parent)
    folder = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}."))
    try:
        folder.chmod(0o755)
        yield folder
        try:
            folder.replace(out)
        except OSError:
            # Someone else finished the same tree in the meantime, or put something in the way.
            if not _already_there(out, plan):
                raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Vectorised functions may round differently at the seams between threads: draw on one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _counter(plan: Plan, progress: Progress) -> Tick:
    total, done = plan.subjects * plan.sequences * plan.frames, 0

    def tick(frames: int) -> None:
        nonlocal done
        done += frames
        progress(done, total)

    return tick
