"""The commands that the README shows; `python tests/readme.py NAME` prints those of one block for a shell to run."""

import re
import sys
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"


def blocks() -> dict[str, str]:
    """Every shell block by the name in the comment above it: `<!-- commands: NAME -->`."""
    text = README.read_text()
    named = dict(re.findall(r"<!-- commands: (.+?) -->\n```bash\n(.*?)```", text, re.DOTALL))
    assert len(named) == text.count("```bash"), "every ```bash block of the README needs a name above it"
    return named


def commands(*names: str) -> list[str]:
    """Every `python launch/...` line of the blocks `names`, or of all of them; continued lines joined."""
    chosen = [block for name, block in blocks().items() if name in names or not names]
    lines = [line for block in chosen for line in block.replace("\\\n", " ").splitlines()]
    found = [re.search(r"python (launch/.*?)(?:\s+#.*)?$", line) for line in lines]
    return [" ".join(match[1].split()) for match in found if match]


if __name__ == "__main__":
    print(blocks()[sys.argv[1]], end="")
