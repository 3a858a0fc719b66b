"""The page: its content, for complete and for broken studies, and that text on it cannot become code."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from data.errors import InputError
from reports.frames import tables
from reports.html.blocks import script_json
from reports.html.pack import unpacked
from reports.page import write_report
from tests.reports.fake import AUS, FakeStore, full_store, no_importance, some_importance

HOSTILE = "\"'></script><script>alert(1)</script><img src=x onerror=alert(2)>"
SECTIONS = ["summary", "search", "validation", "final", "variance", "published", "data", "provenance", "failed"]
FIGURES = ["history", "curves", "importance", "slices", "parameters", "pairs", "ratios", "rungs", "timeline"]
FIGURES += ["hours-core", "val-aus", "test-aus", "fold-seeds", "confusion", "base-rates", "fold-shift"]


class Outline(HTMLParser):
    """Tags of a page with their attributes, and its text outside of scripts and styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.raw = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.raw = tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        self.raw = False

    def handle_data(self, data: str) -> None:
        if not self.raw:
            self.words.append(data)

    @property
    def sections(self) -> list[str | None]:
        return [attrs["id"] for tag, attrs in self.tags if tag == "section"]

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def outline(store: FakeStore, folder: Path) -> Outline:
    path = write_report(store, folder / "page.html", some_importance)
    return Outline(path.read_text("utf-8"))


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Outline:
    return outline(full_store(), tmp_path_factory.mktemp("page"))


def test_a_complete_study_has_all_sections_and_a_contents_list(page: Outline) -> None:
    assert page.sections == SECTIONS
    links = [attrs["href"] for tag, attrs in page.tags if tag == "a"]
    places = {f"#{attrs.get('id')}" for _, attrs in page.tags}
    assert set(links) <= places
    assert [link for link in links if link in {f"#{name}" for name in SECTIONS}] == [f"#{name}" for name in SECTIONS]


def test_every_figure_has_its_numbers_and_a_download(page: Outline) -> None:
    drawn = [attrs["id"] for tag, attrs in page.tags if tag == "figure"]
    assert [(name or "").removeprefix("figure-") for name in drawn] == FIGURES
    printed = {attrs["id"] for tag, attrs in page.tags if tag == "table"}
    assert {(name or "").replace("figure-", "table-") for name in drawn} <= printed
    files = {attrs["data-file"]: attrs["data-packed"] for _, attrs in page.tags if "data-file" in attrs}
    assert {(name or "").removesuffix(".csv") for name in files} == {(name or "")[6:] for name in printed}
    assert unpacked(files["summary.csv"] or "").startswith("what,sweep,final")
    images = [(attrs["data-of"], attrs["data-image"]) for _, attrs in page.tags if "data-image" in attrs]
    assert images == [(name, kind) for name in FIGURES for kind in ("png", "svg")]


def test_nothing_is_loaded_from_elsewhere(page: Outline) -> None:
    for tag, attrs in page.tags:
        sources = [attrs.get(name) for name in ("src", "srcset", "action", "data", "poster")]
        assert not any(sources), (tag, attrs)
        assert re.match(r"#|data:", attrs.get("href") or "#"), (tag, attrs)
    (policy,) = [a["content"] or "" for _, a in page.tags if a.get("http-equiv") == "Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe-inline" not in policy.partition("script-src")[2].partition(";")[0]


def test_it_is_one_small_file(tmp_path: Path) -> None:
    path = write_report(full_store(trials=300), tmp_path / "page.html", some_importance)
    assert list(tmp_path.iterdir()) == [path]
    assert path.stat().st_size < 8_000_000


def test_the_same_store_gives_the_same_page(tmp_path: Path) -> None:
    first, second = (
        write_report(full_store(trials=6), tmp_path / name, some_importance).read_bytes() for name in ("a", "b")
    )
    assert first == second


def test_validation_numbers_are_called_optimistic_and_the_nested_row_is_highlighted(page: Outline) -> None:
    assert "It was chosen on the same subjects, so the numbers are optimistic" in page.text
    assert "validation subjects of the searched fold (part1)" in page.text
    assert "only the row of that fold is fully nested" in page.text
    inconsistent = tables.published_rows("bp4d")["average_inconsistent"].sum()
    marked = sum(attrs.get("class") == "marked" for tag, attrs in page.tags if tag == "tr")
    assert marked == 1 + 3 + inconsistent  # the fold, its three seeds, and the published rows


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    store = full_store(trials=12)
    store.add_trial(90, "FAILED", error=HOSTILE, key=HOSTILE, fold=HOSTILE)
    plain = outline(store, tmp_path)
    store.asked = {"name": HOSTILE, "method": HOSTILE, "folds": (HOSTILE,), "space": {HOSTILE: HOSTILE}, "config": {}}
    store.facts = {HOSTILE: HOSTILE}
    for row in store.trial_rows:
        for name in [name for name in row if name.endswith(("temperature", "ratios.max"))]:
            row[name + HOSTILE] = row.pop(name)
        row["param/method.draw"] = HOSTILE + row["param/method.draw"]
    for row in store.count_rows:
        row["subject"] += HOSTILE
    hostile = outline(store, tmp_path)
    assert HOSTILE in hostile.text
    for tag in ("script", "img", "style", "figure"):
        assert sum(name == tag for name, _ in hostile.tags) == sum(name == tag for name, _ in plain.tags), tag
    assert not any(name.startswith("on") for _, attrs in hostile.tags for name in attrs)


def test_json_cannot_leave_its_script_element() -> None:
    written = script_json({"name": HOSTILE + "<!--&amp;"})
    assert not set("<>&") & set(written)
    assert json.loads(written) == {"name": HOSTILE + "<!--&amp;"}


def test_text_that_is_not_unicode_is_written(tmp_path: Path) -> None:
    store = FakeStore(facts={"command": "broken \udc80 name"})
    store.add_trial(0)
    assert "broken ? name" in outline(store, tmp_path).text


def test_an_empty_store_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no finished trial in runs/fake yet: run launch/sweep\.py name=fake"):
        write_report(FakeStore(), tmp_path / "page.html", no_importance)
    assert not list(tmp_path.iterdir())


def test_all_failed(tmp_path: Path) -> None:
    store = FakeStore()
    for number in range(3):
        store.add_trial(number, "FAILED")
    page = outline(store, tmp_path)
    assert "No sweep trial has finished (3 FAILED)" in page.text
    assert "torch.OutOfMemoryError: CUDA out of memory" in page.text
    assert "failed" in page.sections
    assert "final" not in page.sections


def test_pruned_only(tmp_path: Path) -> None:
    store = FakeStore()
    for number in range(3):
        store.add_trial(number, "PRUNED")
    page = outline(store, tmp_path)
    assert "No sweep trial has finished (3 PRUNED)" in page.text
    assert page.sections == ["summary", "search", "published", "provenance"]


@pytest.mark.parametrize("aus", [AUS, (12,)])
def test_a_single_trial(aus: tuple[int, ...], tmp_path: Path) -> None:
    store = FakeStore(asked={"aus": aus, "dataset": "synthetic"})
    store.add_counts(store.add_trial(0), "val", ["F001", "M001"], aus)
    page = outline(store, tmp_path)
    assert "The only trial (trial 1) reaches a mean F1 of" in page.text
    assert "run launch/final.py before you report a number" in page.text
    assert "published" not in page.sections


def test_one_subject_gets_no_interval(tmp_path: Path) -> None:
    store = FakeStore()
    store.add_counts(store.add_trial(0), "val", ["F001"])
    assert "none (one subject)" in outline(store, tmp_path).text


def test_final_only(tmp_path: Path) -> None:
    store = full_store(trials=4)
    for rows in (store.trial_rows, store.count_rows, store.epoch_rows):
        rows[:] = [row for row in rows if row.get("stage") == "final"]
    store.asked = {"dataset": "gft"}
    page = outline(store, tmp_path)
    assert page.sections == ["summary", "search", "final", "variance", "published", "data", "provenance"]
    assert "We know no complete published table of F1 per AU for gft" in page.text


def test_final_trials_of_an_earlier_configuration_are_named_as_such(tmp_path: Path) -> None:
    store = full_store(trials=6)
    store.add_trial(50, value=0.99)
    text = outline(store, tmp_path).text
    assert "an earlier choice of configuration reaches" in text
    assert "The final trials do not have the best configuration of the sweep: run launch/final.py again." in text


def test_missing_final_trials_are_counted(tmp_path: Path) -> None:
    store = full_store(trials=6)
    lost = store.trial_rows.pop()["key"]
    store.count_rows[:] = [row for row in store.count_rows if row["key"] != lost]
    text = outline(store, tmp_path).text
    assert "Not complete, final evaluation: 3 of 3 folds, 8 of 9 trials" in text
    assert "Published numbers on bp4d are left out: the final evaluation is not complete." in text


def test_an_auc_study_names_its_objective(tmp_path: Path) -> None:
    store = FakeStore(asked={"objectives": ("auc",)})
    store.add_counts(store.add_trial(0), "val", ["F001", "F002"])
    assert "objective of the search: validation mean AUC (%)" in outline(store, tmp_path).text


def test_a_study_of_another_dataset_needs_no_published_numbers(tmp_path: Path) -> None:
    store = full_store(trials=4)
    store.asked = {"dataset": "mine"}
    assert "published" not in outline(store, tmp_path).sections


def test_an_au_that_is_never_active_is_named(tmp_path: Path) -> None:
    store = FakeStore(asked={"aus": (*AUS, 26)})
    store.add_counts(store.add_trial(0), "val", ["F001", "F002"])
    assert "F1 is undefined for AU26" in outline(store, tmp_path).text


def test_one_searched_parameter(tmp_path: Path) -> None:
    store = FakeStore()
    for number in range(5):
        store.add_trial(number, params={"optim.lr": 10.0**-number})
    assert "The objective by parameter" in outline(store, tmp_path).text


def test_parameters_that_only_some_trials_have(tmp_path: Path) -> None:
    store = FakeStore()
    for number in range(6):
        store.add_trial(
            number, params={"optim.lr": 0.1 + number, "method.margin": None if number % 2 else float(number)}
        )
    page = outline(store, tmp_path)
    assert "search" in page.sections


def test_the_real_importance_fits(tmp_path: Path) -> None:
    path = write_report(full_store(trials=12), tmp_path / "page.html")
    assert 'id="figure-importance"' in path.read_text("utf-8")
