"""Compare variants of methods on every fold with several seeds, with and without label noise: see --help.

Killed at any moment, the same command continues; more variants, noise, folds or seeds add trials.
"""

import sys

from launch.run.command import run_command

if __name__ == "__main__":  # above the imports that take seconds
    sys.exit(run_command("compare"))

from collections.abc import Mapping
from typing import Any

import polars as pl
from rich.console import Console

from data.files import write_atomic
from launch.keys.trials import CompareKeys
from launch.plan.datasets import prepare_store
from launch.plan.variants import (
    AblationPlan,
    comparison_problems,
    noise_notes,
    plan_comparison,
    selected_variants,
    variants_spec,
)
from launch.run.recipe import complete, finished, given_work, run_work
from launch.show.display import interval_text, markdown_table, p_text, percent_text
from launch.show.verdicts import print_verdict, verdict_markdown
from study.experiments.ablation import ablation_table, baseline_in, comparison_frame
from study.records.score_files import write_scores
from study.records.score_table import fewest_runs, interval_note
from study.records.study_spec import AblationSpec
from study.scoring.verdicts import table_verdict

# may change when the study continues: more of them only adds trials
_FREE = ("trials", "store", "weights_file", "variants", "label_noise", "noise_kind", "folds", "seeds")
_HEADS = ("F1 %", "rarest third", "against", "gain", "p", "in the rarest third", "p", "s a trial")


def main(keys: CompareKeys) -> int:
    """Check, prepare, train and print one table."""
    console = Console()
    frames = prepare_store(keys, console)
    plan = plan_comparison(keys, frames)
    asked = AblationSpec(selected_variants(keys), keys.label_noise, keys.noise_kind)
    work = given_work(
        "compare",
        keys,
        plan.store,
        plan.resources,
        [(trial, plan.placement) for trial in plan.trials],
        lambda: finish_ablation(plan, console),
        about=f"{len(plan.cells)} rows, {len(plan.trials)} trials",
        notes=noise_notes(frames, (trial.data for trial in plan.trials)),
        spec=variants_spec(keys, asked, frames, plan.placement),
        free=_FREE,
    )
    return run_work(work, console)


def finish_ablation(plan: AblationPlan, console: Console) -> int:
    """Print and save the table of all rows whose trials are done; 1 when a trial is missing or failed."""
    store, trials = plan.store, plan.trials
    done = finished(store, trials, console)
    whole = complete(plan.cells, done)
    if whole:
        scores = ablation_table(whole, plan.against)
        verdict = table_verdict(store, scores, ("method", "condition"), ("condition",))
        text = ablation_markdown(scores)
        write_scores(store.root, "ablation", scores)
        write_atomic(store.comparison_path(".md"), f"{verdict_markdown(verdict)}\n\n{text}".encode())
        write_atomic(store.comparison_path(".csv"), comparison_frame(scores).write_csv().encode())
        print_verdict(verdict, console)
        console.print(text, soft_wrap=True, markup=False, highlight=False)
        console.print(f"table: {store.comparison_path('.md')}", soft_wrap=True)
    return int(len(done) < len(trials))


def ablation_markdown(scores: pl.DataFrame) -> str:
    """The table of the ablation study as Markdown, in percent."""
    baseline = baseline_in(scores)
    assert baseline is not None
    rare = ", ".join(f"{au} ({percent_text(rate)} %)" for au, rate in baseline.base_rates.items())
    base = [interval_text(one, None, None) for one in (baseline.always_positive, baseline.rare_always_positive)]
    frame = comparison_frame(scores)
    noise = " ".join([*filter(None, frame["noise_kind"].unique(maintain_order=True)), "noise %"])
    table = markdown_table(("variant", noise, *_HEADS), map(_cells, frame.iter_rows(named=True)))
    notes = (
        f"Test F1: mean over folds and seeds, then over AUs. {interval_note(fewest_runs(scores))}",
        "p: of no gain, with Holm's correction over all gains of this table.",
        f"Always-positive: {base[0]}, on the rarest third of the AUs {base[1]}. These AUs, with base rates: {rare}.",
    )
    return "\n".join([*notes, "", table])


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    def shown(name: str, sign: str = "") -> str:
        return interval_text(row[name], row[f"{name}_low"], row[f"{name}_high"], sign)

    gains = [
        text
        for name in ("f1_gain", "rare_gain")
        for text in ((shown(name, "+"), p_text(row[f"{name}_p_holm"])) if row["against"] else ("", ""))
    ]
    names = row["variant"], f"{100 * row['label_noise']:g}"
    return *names, shown("f1"), shown("rare"), row["against"], *gains, f"{row['seconds']:.1f}"


check = comparison_problems
