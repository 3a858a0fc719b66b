"""What a study asks, its trials, and the numbers made of them; knows no cluster, no terminal and no page.

    records        what is written, and its schema: configurations, results, the study, predictions, scores
    search         spaces, samplers, pruning, objectives, and which trial is best
    trial          one trial from its configuration to its result
    scoring        one engine: counts -> value, interval, spread over seeds; thresholds; significance
    experiments    the kinds of study: selection, ablation, robustness, partitions, transfer, domain generalisation

Rooms import downwards only: records <- search, trial, scoring <- experiments.
"""
