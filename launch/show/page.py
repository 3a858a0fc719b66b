"""The page of studies; only this module and launch/report.py import `reports`."""

from collections.abc import Sequence
from pathlib import Path

from data.errors import InputError
from data.files import write_atomic
from launch.show.shown import frames_of, labels_of, sheets_of
from reports.frames.comparison import compare_studies
from reports.frames.facts import facts_of
from reports.frames.partitions import order_frame, partitioned
from reports.frames.report import Materials, report_of
from reports.page import study_page
from reports.sections import compared_sections, variant_sections
from reports.sections.partitions_section import order_words
from study.records.store import StudyStore
from study.records.study_spec import ABLATION
from study.search.importance import ped_anova


def write_page(store: StudyStore) -> Path:
    """Write the page of `store`; returns its path."""
    # names from file systems may contain bytes that are no UTF-8
    write_atomic(store.report_path, page_of([store.root]).encode("utf-8", "replace"))
    return store.report_path


def page_of(roots: Sequence[Path], pictures: bool | None = None) -> str:
    """The page of a search, of an ablation study, or of several searches."""
    stores = [StudyStore(root) for root in roots]
    left_out = [line for store in stores for line in left_out_lines(store)]
    if len(stores) > 1:
        facts = [facts_of(store, name) for name, store in zip(study_labels(roots), stores, strict=True)]
        return compared_sections.comparison_page(compare_studies(facts), left_out)
    if stores[0].spec().kind == ABLATION:
        return variant_sections.ablation_page(stores[0], left_out)
    return study_page(report_of(stores[0], ped_anova, materials(stores[0], pictures)))


def order_lines(roots: Sequence[Path]) -> list[str]:
    """Whether the order of two studies holds on random partitions: a sentence for each pair that has them."""
    named = zip(roots, study_labels(roots), strict=True)
    return order_words(order_frame([partitioned(root, StudyStore(root).spec(), name) for root, name in named]))


def materials(store: StudyStore, pictures: bool | None) -> Materials:
    """What the page needs from the frame store, as far as that is there, and what is left out."""
    lines = left_out_lines(store)
    try:
        frames = frames_of(store)
    except InputError as error:
        return Materials(left_out=(*lines, f"Left out, frames and label counts: {error}"))
    labels = labels_of(frames, store)
    try:
        return Materials(labels, sheets_of(frames, pictures), lines)
    except InputError as error:
        return Materials(labels, left_out=(*lines, f"Left out, frames: {error}"))


def left_out_lines(store: StudyStore) -> tuple[str, ...]:
    """What a page must say about files of the study that it did not read."""
    return tuple(f"Left out: {line}" for line in store.left_out())


def study_labels(roots: Sequence[Path]) -> list[str]:
    """Names of the folders, with as many parent folders as needed to make them different."""
    parts = [root.resolve().parts for root in roots]
    for length in range(1, max(map(len, parts)) + 1):
        names = ["/".join(part[-length:]) for part in parts]
        if len({*names}) == len(names):
            break
    return names
