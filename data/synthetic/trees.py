"""Synthetic datasets in the raw form of the real ones, so that the readers of the real ones run on them."""

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields
from pathlib import Path

import torch

from data.drawn import DRAWN_RECORD
from data.errors import InputError, raise_all
from data.files import Progress, check_writable, no_progress
from data.synthetic.damage import damage, damage_problems
from data.synthetic.full import full_recordings
from data.synthetic.layouts import LAYOUTS
from data.synthetic.layouts._files import Tick
from data.synthetic.patterns import SIZE_STEP
from data.synthetic.recordings import Recording, TreePlan

_VERSION = 1  # raise it when the same arguments give other files
_SUBJECTS, _SEQUENCES, _FRAMES = 12, 2, 60


def write_tree(
    layout: str,
    out: Path,
    subjects: int | None = None,
    sequences: int | None = None,
    frames: int | None = None,
    seed: int = 0,
    label_noise: float = 0.0,
    size: int | None = None,
    progress: Progress = no_progress,
    *,
    variant: str = "",
    fault: str = "",
    scene: bool = False,
    full: bool = False,
) -> None:
    """Write the raw tree of `layout` to `out`: whole, or not at all.

    12 subjects with 2 sequences of 60 frames, if not given. bp4d: `sequences` tasks of `frames` frames a subject; the
    others: one recording of `sequences * frames` frames. `label_noise` is the probability that an occurrence label in
    the files is wrong. `size` is the side of the face crops in pixels (None: 128, Aff-Wild2 112). `variant` is another
    form in which the dataset is found, `fault` the name of a damage done to the finished tree (`damage.py`). With
    `scene` the pictures show more than the face, and landmark files say where it is. `full` writes as many labels as
    the real dataset has (all `subjects`, if not given) and tiny pictures without faces.

    The same arguments give the same bytes; `out` is reused if it was written with them. Raises `InputError` for
    arguments out of range and for an `out` that holds something else.
    """
    if layout not in LAYOUTS:
        raise InputError(f"layout {layout!r}; allowed: {', '.join(LAYOUTS)}")
    form = LAYOUTS[layout]
    plan = TreePlan(
        layout,
        _else(subjects, len(form.subjects()) if full else _SUBJECTS),
        _else(sequences, 0 if full else _SEQUENCES),
        _else(frames, 0 if full else _FRAMES),
        seed,
        label_noise,
        _else(size, form.full_size if full else form.size),
        variant,
        fault,
        scene,
        full,
    )
    raise_all("cannot write a synthetic tree:", list(_problems(plan)))
    if _already_there(out, plan):
        return
    with _whole_or_absent(out, plan) as folder, _one_thread():
        recordings = _recordings(plan)
        form.write(folder, recordings, _counter(recordings, progress))
        damage(folder, plan)
        (folder / DRAWN_RECORD).write_text(_record(plan))


def _else(given: int | None, otherwise: int) -> int:
    return otherwise if given is None else given


def _recordings(plan: TreePlan) -> list[Recording]:
    form = LAYOUTS[plan.layout]
    subjects = form.subjects()[: plan.subjects]
    return full_recordings(plan, subjects) if plan.full else form.recordings(plan, subjects)


def _problems(plan: TreePlan) -> Iterator[str]:
    yield from _form_problems(plan)
    yield from damage_problems(plan)
    yield from _size_problems(plan)
    if not 0 <= plan.label_noise <= 1:
        yield f"label_noise {plan.label_noise}; allowed: a probability, 0 to 1"


def _form_problems(plan: TreePlan) -> Iterator[str]:
    layout = LAYOUTS[plan.layout]
    most = len(layout.subjects())
    if not 1 <= plan.subjects <= most:
        yield f"subjects {plan.subjects}; allowed for {plan.layout}: 1 to {most}"
    if plan.variant not in layout.variants:
        yield f"variant {plan.variant!r}; allowed for {plan.layout}: {_choices(layout.variants)}"
    elif plan.scene and plan.variant not in layout.scenes:
        yield f"scene of {plan.layout} variant {plan.variant!r}; allowed: {_choices(layout.scenes) or 'without scene'}"
    if plan.full and plan.scene:
        yield "scene with full; allowed: one of them, for a tree of full size has no faces"
    if plan.full and plan.variant == "videos":
        yield "variant 'videos' with full; allowed: the other variants"


def _size_problems(plan: TreePlan) -> Iterator[str]:
    if plan.full:
        if plan.sequences or plan.frames:
            yield f"sequences {plan.sequences}, frames {plan.frames}; allowed with full: none, for it has the real ones"
        if not 16 <= plan.size <= 512 or plan.size % SIZE_STEP:
            yield f"size {plan.size}; allowed with full: multiples of {SIZE_STEP} up to 512"
        return
    most = LAYOUTS[plan.layout].most_sequences
    if plan.sequences < 1 or (most and plan.sequences > most):
        at_most = f", at most {most} for {plan.layout}" if most else ""
        yield f"sequences {plan.sequences}; allowed: 1 or more{at_most}"
    if plan.frames < 1:
        yield f"frames {plan.frames}; allowed: 1 or more"
    if not 32 <= plan.size <= 512 or plan.size % 2:
        yield f"size {plan.size}; allowed: even numbers from 32 to 512"


def _choices(names: tuple[str, ...]) -> str:
    return ", ".join(repr(name) for name in names)


def _record(plan: TreePlan) -> str:
    """The arguments; those that later versions added only where they are not the default."""
    # a tree that was drawn before an argument existed is still found
    plain = {field.name: field.default for field in fields(TreePlan)}
    given = {name: value for name, value in asdict(plan).items() if value != plain[name]}
    return json.dumps({"version": _VERSION, **given}, indent=1) + "\n"


def _already_there(out: Path, plan: TreePlan) -> bool:
    """Whether `out` is this very tree; raises `InputError` if it is anything else but absent or empty."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return False
    record = out / DRAWN_RECORD
    if record.is_file() and record.read_text() == _record(plan):
        return True
    kind = "a synthetic tree with other parameters (or of another version)" if record.is_file() else "something else"
    raise InputError(f"{out} holds {kind}. Give another folder, or remove this one and run again.")


@contextmanager
def _whole_or_absent(out: Path, plan: TreePlan) -> Iterator[Path]:
    """A folder beside `out` that is renamed to `out` when the block succeeds and removed when it fails."""
    check_writable(out.parent)
    folder = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}."))
    try:
        folder.chmod(0o755)  # mkdtemp makes folders that only their owner can enter
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


def _counter(recordings: list[Recording], progress: Progress) -> Tick:
    total, done = sum(recording.frames for recording in recordings), 0

    def tick(frames: int) -> None:
        nonlocal done
        done += frames
        progress(done, total)

    return tick
