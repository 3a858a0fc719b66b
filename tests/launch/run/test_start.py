"""What is answered at once: without whatever takes long to import."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_looking_at_a_study_needs_nothing_that_is_slow_to_import() -> None:
    slow = ("torch", "ray", "optuna", "polars", "scipy", "submitit")
    code = f"import sys\nfor name in {slow}: sys.modules[name] = None\nfrom launch.status import main"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
