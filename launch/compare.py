"""Compare variants of methods on every fold with several seeds, with and without label noise: see --help.

Killed at any moment, the same command goes on; more variants, noise, folds or seeds add trials to those that are done.
"""

import sys

from rich.console import Console

from data.files import check_writable, write_atomic
from launch.plan.datasets import prepare_store
from launch.plan.provenance import provenance_facts
from launch.plan.variants import AblationPlan, check_comparison, plan_comparison, selected_variants, variants_spec
from launch.run.command import Settings, run_command
from launch.run.given import finished, given_work, run_given
from launch.show.display import interval_text, percent_text
from study.experiments.ablation import Ablation, AblationRow, compare, comparison_frame
from study.records.study_spec import AblationSpec
from study.scoring.bootstrap import Estimate

_FREE = ("trials", "store", "weights_file", "variants", "label_noise", "folds", "seeds")
_HEADS = ("variant", "noise %", "F1 %", "rarest third", "against", "gain", "in the rarest third", "s a trial")


def main(keys: Settings) -> int:
    """Check, prepare, train, put side by side."""
    keys["name"] = keys["name"] or f"{keys['dataset']['name']}-comparison"
    console = Console()
    check_comparison(keys)
    frames = prepare_store(keys, console)
    plan = plan_comparison(keys, frames)
    store, trials = plan.store, plan.trials
    check_writable(store.root)

    def begin(wanted: int) -> None:
        asked = AblationSpec(selected_variants(keys), tuple(keys["label_noise"]))
        store.open_study(variants_spec(keys, asked, frames, plan.placement, wanted), free=_FREE)
        store.write_provenance(provenance_facts(frames.fingerprint))

    def say() -> None:
        cells, at_once = len(plan.cells), plan.resources.concurrent
        console.print(f"{store.root}: {cells} rows, {len(trials)} trials, {work.todo} to do, {at_once} at a time")

    jobs = [(trial, plan.placement) for trial in trials]
    work = given_work("compare", keys, store, plan.resources, jobs, begin, lambda: finish_ablation(plan, console))
    return run_given(work, jobs, say, console)


def finish_ablation(plan: AblationPlan, console: Console) -> int:
    """Print and keep the table of all rows whose trials are done; 1 when a trial is missing or has failed."""
    store, trials = plan.store, plan.trials
    done = {result.config.key: result for result in finished(store, trials, console)}
    whole = {
        cell: [done[config.key] for config in configs]
        for cell, configs in plan.cells.items()
        if all(config.key in done for config in configs)
    }
    if whole:
        comparison = compare(whole, plan.against)
        text = ablation_markdown(comparison)
        write_atomic(store.comparison_path(".md"), text.encode())
        write_atomic(store.comparison_path(".csv"), comparison_frame(comparison).write_csv().encode())
        console.print(text, soft_wrap=True, markup=False, highlight=False)
        console.print(f"table: {store.comparison_path('.md')}", soft_wrap=True)
    return int(len(done) < len(trials))


def ablation_markdown(comparison: Ablation) -> str:
    """The comparison as people read it, in percent."""
    rare = ", ".join(f"{au} ({percent_text(rate)} %)" for au, rate in comparison.base_rates.items())
    base = percent_text(comparison.always_positive), percent_text(comparison.always_positive_rare)
    table = [_HEADS, *(_cells(row) for row in comparison.rows)]
    widths = [max(len(line[column]) for line in table) for column in range(len(_HEADS))]
    head, *body = (f"| {' | '.join(map(str.ljust, line, widths))} |" for line in table)
    rule = f"|{'|'.join('-' * (width + 2) for width in widths)}|"
    notes = (
        "Test F1: mean of folds and seeds, then of AUs; in brackets 95 % of a bootstrap of subjects, paired in gains.",
        f"Always-positive: {base[0]}, in the rarest third of the AUs {base[1]}. Those are, with base rates: {rare}.",
    )
    return "\n".join([*notes, "", head, rule, *body])


def _cells(row: AblationRow) -> tuple[str, ...]:
    scores = _shown(row.f1), _shown(row.rare)
    gains = _shown(row.f1_gain, "+"), _shown(row.rare_gain, "+")
    return row.variant, f"{100 * row.label_noise:g}", *scores, row.against, *gains, f"{row.seconds:.1f}"


def _shown(estimate: Estimate | None, sign: str = "") -> str:
    """Percent with the interval; empty for nothing."""
    return interval_text(estimate.value, estimate.low, estimate.high, sign) if estimate else ""


if __name__ == "__main__":
    sys.exit(run_command("compare", main))
