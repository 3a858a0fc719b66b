import os

# Ray reads these when it is imported, and everything of ours that imports it comes through here.
os.environ |= {
    "RAY_AUTH_MODE": "token",
    "RAY_DEDUP_LOGS_SKIP_REGEX": "^",  # pages of a raylet's log for each node that leaves
}
