"""Frames in, tables, figures and pages out; all numbers come from the result store.

    frames      numbers as polars frames, and numbers as text
    figures     a frame -> a plotly figure
    html        blocks of a page, and the page around them
    sections    the sections of a page
    export      LaTeX, Markdown, CSV, parquet and the model card

Rooms import downwards only: frames <- figures <- html <- sections <- export, page.

In a notebook every figure is a function from a polars frame to a plotly figure. The frame has the numbers of the
figure, and another function makes it from the frames of `study.records.store.StudyStore`:

    from pathlib import Path
    from reports.figures import figures
    from reports.frames import series
    from reports.frames import tables
    from study.records.store import StudyStore

    store = StudyStore(Path("runs/synthetic-aunce"))
    sweep = tables.numbered(store.trials(), "sweep")
    figures.history(series.history_frame(sweep), "validation mean F1").show()

    of a search            figures.history, fold_figures.importance, fold_figures.curves, fold_figures.pareto
                           space_figures.parallel, space_figures.single, space_figures.ternary
                           search_figures.slices, search_figures.pairs, search_figures.rungs, search_figures.timeline,
                           search_figures.hours
    of final trials        final_figures.au_bars, final_figures.fold_dots, final_figures.selections,
                           final_figures.thresholds, final_figures.reliability, final_figures.confusion,
                           final_figures.cooccurrence
    of data                data_figures.base_rates, data_figures.shift
    of other datasets      transfer_figures.matrices, transfer_figures.au_dots, transfer_figures.rules
    of robustness          transfer_figures.stress
    of random partitions   partition_figures.partition_figure
    of several studies     comparison_figures.study_dots, comparison_figures.difference_dots
    of method variants     comparison_figures.variant_heat
"""
