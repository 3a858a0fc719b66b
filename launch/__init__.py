"""The command line: every file here is a command; the rooms hold what commands share.

    conf       Hydra's YAML files: datasets, methods' search spaces, backbones
    keys       the typed keys of every command, each with a default and a line of help
    plan       from keys to checked trials: frames, resources, budgets
    cluster    Ray on SLURM: jobs, workers, heartbeats, checks of the site
    show       the terminal, and the page
    run        one recipe for all commands, on this machine and on a cluster

Rooms import downwards only: keys <- plan <- cluster <- show <- run <- commands. No command imports another.
"""

import os

# Ray reads these when it is imported, and this package is always imported before it.
os.environ |= {
    "RAY_AUTH_MODE": "token",
    "RAY_DEDUP_LOGS_SKIP_REGEX": "^",  # else Ray prints pages of its log for each node that leaves
}
