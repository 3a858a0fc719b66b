"""What a frame is, where frames come from, how they are stored, divided and augmented.

    catalog, dataset   one row of facts a dataset, by name; the rest of the package reads the row
    frames, folds      the table that every reader makes, and its division by people
    build, store       face crops on disk: written once, read by every trial
    loader, views      batches of augmented frames; union and pool: of several datasets
    readers/           one module a dataset: raw tree -> table
    faces/             where the face is in every frame, and the crop of it
    doctor/            a raw tree and a store compared with what is known of the dataset
    synthetic/         raw trees of drawn faces, for trying things out

readers <- faces <- (the files of this folder) <- doctor. Synthetic imports the files of this folder; no other room
imports synthetic.
"""
