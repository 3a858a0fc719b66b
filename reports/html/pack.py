"""Text inside a page: compressed, and in letters that have no meaning in HTML."""

import base64
import gzip
import hashlib


def packed(content: str) -> str:
    """`content` as gzip in base64; the same text always gives the same letters."""
    # mtime=0: gzip writes the time otherwise, and two pages of the same study would differ
    return base64.b64encode(gzip.compress(content.encode("utf-8", "replace"), 9, mtime=0)).decode("ascii")


def unpacked(letters: str) -> str:
    """The text of `letters` from `packed`."""
    return gzip.decompress(base64.b64decode(letters)).decode()


def policy_hash(script: str) -> str:
    """The hash with which the Content-Security-Policy of a page allows a script; the browser runs no other script."""
    digest = hashlib.sha256(script.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"
