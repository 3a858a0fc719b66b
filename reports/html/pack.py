"""Text that travels inside a page: compressed, and written in letters that mean nothing to HTML."""

import base64
import gzip
import hashlib


def packed(content: str) -> str:
    """`content` as gzip in base64; the same text always gives the same letters."""
    return base64.b64encode(gzip.compress(content.encode("utf-8", "replace"), 9, mtime=0)).decode("ascii")


def unpacked(letters: str) -> str:
    """What `packed` was given."""
    return gzip.decompress(base64.b64decode(letters)).decode()


def policy_hash(script: str) -> str:
    """The name under which a page's Content-Security-Policy lets a script run; no other script does."""
    digest = hashlib.sha256(script.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"
