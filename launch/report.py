"""Write the HTML page of one or several studies, or their tables for a paper: see --help."""

import sys

from launch.run.command import run_command

if __name__ == "__main__":  # above the imports that take seconds
    sys.exit(run_command("report"))

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from data.errors import InputError, complaints, raise_all
from data.files import check_writable, write_atomic
from launch.keys.studies import ReportKeys
from launch.show.live import LivePage, watch
from launch.show.page import order_lines, page_of, study_labels
from reports.export.export import check_kinds, export, export_variants, transfers_beside
from study.records.store import StudyStore
from study.records.study_spec import ABLATION, search_in

PAGE = "report.html"


def main(keys: ReportKeys) -> int:
    """Write the page or the exports; with watch=true write the page again and again."""
    roots = asked(keys)
    if keys.export:
        return write_exports(keys, roots)
    # checked before the page is built, which takes seconds
    path = page_path(keys, roots)
    check_writable(path.parent)
    if keys.watch:
        job = LivePage(partial(page_of, roots, keys.pictures), path, partial(state, roots), partial(is_finished, roots))
        return watched(job, keys.every, keys.port)
    # names from file systems may contain bytes that are no UTF-8
    write_atomic(path, page_of(roots, keys.pictures).encode("utf-8", "replace"))
    for line in order_lines(roots):
        print(line)
    print(f"report: {path}")
    return 0


def asked(keys: ReportKeys) -> list[Path]:
    """The folders of the studies that `keys` name; one `InputError` lists all that have no page."""
    words = [*([keys.name] if keys.name else []), *keys.studies]
    if not words:
        raise InputError("no study; give its folder or name: python launch/report.py runs/<study>, or name=<study>")
    roots = [Path(word) if StudyStore(Path(word)).exists() else Path(keys.runs_root) / word for word in words]
    problems = [
        f"{word}: no study in {root}; run launch/sweep.py name={root.name}"
        for word, root in zip(words, roots, strict=True)
        if not StudyStore(root).exists()
    ]
    problems += complaints(*(partial(_check_kind, root, len(roots)) for root in roots if StudyStore(root).exists()))
    whole = [root.resolve() for root in roots]
    problems += [f"{word} is given twice" for at, word in enumerate(words) if whole[at] in whole[:at]]
    if keys.every < 0.1:
        problems.append(f"every={keys.every:g}; at least 0.1 seconds")
    if keys.watch and keys.export:
        problems.append("watch=true writes pages; give no export")
    raise_all("the report cannot be written:", problems)
    return roots


def _check_kind(root: Path, studies: int) -> None:
    """`InputError` for a study without a page: pages show searches, or a single ablation study."""
    spec = StudyStore(root).spec()
    if studies > 1 or spec.kind != ABLATION:
        search_in(root, spec)


def page_path(keys: ReportKeys, roots: Sequence[Path]) -> Path:
    """Where the page goes: `out`, the folder of a single study, or runs_root for several."""
    if keys.out:
        path = Path(keys.out)
        return path / PAGE if path.is_dir() else path
    return StudyStore(roots[0]).report_path if len(roots) == 1 else Path(keys.runs_root) / PAGE


def write_exports(keys: ReportKeys, roots: Sequence[Path]) -> int:
    """Write the exports and print their paths."""
    check_kinds(keys.export, len(roots))
    above = roots[0] if len(roots) == 1 else Path(keys.runs_root)
    folder = Path(keys.out) if keys.out else above / "export"
    check_writable(folder)
    stores = [StudyStore(root) for root in roots]
    if len(stores) == 1 and stores[0].spec().kind == ABLATION:
        written = export_variants(stores[0], keys.export, folder)
    else:
        written = _studies_exported(roots, stores, keys, folder)
    for path in written:
        print(f"written: {path}")
    return 0


def _studies_exported(
    roots: Sequence[Path], stores: Sequence[StudyStore], keys: ReportKeys, folder: Path
) -> list[Path]:
    found = transfers_beside(roots[0].resolve().parent, [root.resolve().name for root in roots])
    named = list(zip(study_labels(roots), stores, strict=True))
    return export(named, keys.export, folder, found, keys.published)


def watched(job: LivePage, every: float, port: int) -> int:
    """Keep the page up to date until all trials end, or until Ctrl-C."""
    try:
        watch(job, every, port, partial(print, flush=True))
    except KeyboardInterrupt:
        print(f"stopped; the page stays: {job.path}")
    return 0


def state(roots: Sequence[Path]) -> object:
    """A value that changes when the page would: files of the studies and their times, without running trials."""
    # names of files that are being written begin with a dot
    files = (path for root in roots for kind in ("json", "parquet", "csv") for path in root.rglob(f"[!.]*.{kind}"))
    found = {}
    for path in files:
        if path.parent.name != "running":
            try:
                found[path] = path.stat().st_mtime_ns
            except FileNotFoundError:
                continue  # just replaced
    return found


def is_finished(roots: Sequence[Path]) -> bool:
    """Whether all wanted trials have ended and no command runs further ones."""
    stores = [StudyStore(root) for root in roots]
    return all(_has_all(store) and not store.is_busy() for store in stores)


def _has_all(store: StudyStore) -> bool:
    spec = store.spec()
    return store.count(spec.stage) >= spec.trials
