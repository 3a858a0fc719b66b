"""What people type: every file here is a command, and everything else lies in a room.

    conf       Hydra's YAML files: datasets, methods' search spaces, backbones
    keys       the typed keys of every command, with a default and a line of help each
    plan       keys -> checked trials, what they cost and where their frames are
    cluster    Ray on SLURM: jobs, workers, heartbeats, and what sites get wrong
    show       the terminal, and the door to the page
    run        one recipe for all commands, here and on a cluster

Rooms import downwards only: keys <- plan <- cluster <- show <- run <- commands. No command imports another.
"""

import os

# Ray reads these when it is imported, and everything of ours that imports it comes through here first.
os.environ |= {
    "RAY_AUTH_MODE": "token",
    "RAY_DEDUP_LOGS_SKIP_REGEX": "^",  # pages of a raylet's log for each node that leaves
}
