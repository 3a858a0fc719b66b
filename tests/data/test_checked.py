"""Seals: what is inside a file says whether the rest of it is as it was written."""

import json

import pytest

from data.checked import SEAL, check_seal, has_seal, json_bytes, json_object
from data.errors import DamagedError

PLAIN = {"value": 0.1, "subjects": ["a;b", "é"], "nested": {"x": None}}


@pytest.mark.parametrize("name", ["trials.index", "scores of mine;x", "é/ü", 'a"b\\c'])
@pytest.mark.parametrize("indent", [None, 1])
def test_a_json_file_is_read_as_it_was_written(name: str, indent: int | None) -> None:
    content = json_bytes(PLAIN, name, indent)
    assert json_object(content, name) == PLAIN
    assert {**json.loads(content), SEAL: 0} == {**PLAIN, SEAL: 0}, "other programs read it, too"
    assert has_seal(content)


def test_every_changed_bit_and_every_cut_is_found() -> None:
    content = json_bytes(PLAIN, "mine")
    for at in range(len(content)):
        for bit in range(8):
            changed = content[:at] + bytes([content[at] ^ (1 << bit)]) + content[at + 1 :]
            with pytest.raises(DamagedError):
                json_object(changed, "mine")
        with pytest.raises(DamagedError):
            json_object(content[:at], "mine")


def test_the_file_of_another_name_is_found() -> None:
    with pytest.raises(DamagedError, match="it is a copy of another file: it holds one of a, not one of b"):
        json_object(json_bytes(PLAIN, "one of a"), "one of b")


def test_a_file_without_a_seal_is_read_unless_it_lost_it() -> None:
    assert json_object(json.dumps(PLAIN).encode(), "mine") == PLAIN
    assert check_seal(b"anything", "mine") is False
    with pytest.raises(DamagedError, match="checksum is wrong"):
        json_object(json.dumps({**PLAIN, SEAL: "gone"}).encode(), "mine")
    with pytest.raises(DamagedError, match="expected an object, found list"):
        json_object(b"[]", "mine")


def test_what_is_not_a_number_is_not_written() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        json_bytes({"value": float("nan")}, "mine")
