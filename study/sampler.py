"""The sampler, and what it learns of finished trials; everything that needs Optuna's objects."""

from collections.abc import Mapping
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState, create_trial

from data.seeds import seed_for
from study.result import TrialResult
from study.space import Space

STATES = {"DONE": TrialState.COMPLETE, "PRUNED": TrialState.PRUNED, "FAILED": TrialState.FAIL}
KEY_ATTRIBUTE = "trial_key"


def make_sampler(seed: int, past: int) -> optuna.samplers.BaseSampler:
    """TPE seeded by the study's seed and the number of trials it already has.

    With the first seed again, a continued search would propose its first trials again.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # the commands show their own progress
    return optuna.samplers.TPESampler(seed=seed_for("sampler", seed, past) % 2**32, n_startup_trials=6)


def past_trial(space: Space, params: Mapping[str, Any], result: TrialResult) -> FrozenTrial:
    """A finished trial as Optuna knows it: pruned ones as PRUNED, with their learning curve."""
    return create_trial(
        state=STATES[result.status],
        params=dict(params),
        distributions=space.distributions,
        value=result.value if result.status == "DONE" else None,
        intermediate_values={epoch.epoch: epoch.value for epoch in result.epochs},
        user_attrs={KEY_ATTRIBUTE: result.config.key},
    )


def tell(study: optuna.Study, trial: optuna.Trial, result: TrialResult | None) -> None:
    """Close an open trial with its result; a trial without a result has failed."""
    if result is None:
        study.tell(trial, state=TrialState.FAIL)
        return
    trial.set_user_attr(KEY_ATTRIBUTE, result.config.key)
    value = result.value if result.status == "DONE" else None
    study.tell(trial, value, state=STATES[result.status])
