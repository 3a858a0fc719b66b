"""What the READMEs show: shell commands, and the code of their worked examples.

`python tests/readme.py NAME` prints the commands of one block for a shell to run.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCUMENTS = ("README.md", *(f"{name}/README.md" for name in ("data", "launch", "model", "study", "reports")))


def texts() -> dict[str, str]:
    """The READMEs by their path, in the order in which a user reads them."""
    return {name: (ROOT / name).read_text() for name in DOCUMENTS}


def blocks() -> dict[str, str]:
    """Every shell block by the name in the comment above it: `<!-- commands: NAME -->`."""
    named: dict[str, str] = {}
    for document, text in texts().items():
        found = re.findall(r"<!-- commands: (.+?) -->\n```bash\n(.*?)```", text, re.DOTALL)
        assert len(found) == text.count("```bash"), f"every ```bash block of {document} needs a name above it"
        assert not {name for name, _ in found} & {*named}, f"{document}: a name of a block is given twice"
        named |= dict(found)
    return named


def commands(*names: str) -> list[str]:
    """Every `python launch/...` line of the blocks `names`, or of all of them; continued lines joined."""
    chosen = [block for name, block in blocks().items() if name in names or not names]
    lines = [line for block in chosen for line in block.replace("\\\n", " ").splitlines()]
    found = [re.search(r"python (launch/.*?)(?:\s+#.*)?$", line) for line in lines]
    return [" ".join(match[1].split()) for match in found if match]


def apply_examples(document: str, checkout: Path) -> list[str]:
    """Write the code of a README's worked examples into `checkout`, as its reader would; the files that it touches.

    `<!-- file: PATH -->` is a new file, `<!-- row of NAME in PATH -->` goes behind the line that begins NAME, and
    `<!-- above NAME in PATH -->` before it.
    """
    touched = []
    for mark, code in re.findall(
        r"<!-- ((?:file:|row of|above) .+?) -->\n```\w+\n(.*?)```", texts()[document], re.DOTALL
    ):
        kind, name, path = re.fullmatch(r"(file:|row of|above) (?:(\w+) in )?(\S+)", mark).groups()  # type: ignore[union-attr]
        target = checkout / path
        if kind == "file:":
            assert not target.exists(), f"{path} is there already"
            target.write_text(code)
        else:
            target.write_text(_inserted(target.read_text(), name, code, after=kind == "row of"))
        touched.append(path)
    return touched


def _inserted(text: str, name: str, code: str, after: bool) -> str:
    lines = text.splitlines(keepends=True)
    (at,) = (number for number, line in enumerate(lines) if re.match(rf"{name}\b.*[=(]", line))
    return "".join([*lines[: at + after], code, *([] if after else ["\n\n"]), *lines[at + after :]])


if __name__ == "__main__":
    print(blocks()[sys.argv[1]], end="")
