"""transfer.json: this version and the former one."""

import json
from dataclasses import replace

import pytest

from data.checked import json_object
from data.errors import InputError
from study.records.transfer_spec import transfer_spec_from_json
from tests.study.specs import transfer_member, transfer_spec

SPEC = replace(transfer_spec(transfer_member("a", "bce", "gft")), base_rates={"gft": {12: 0.25}}, notes=("one",))


def test_a_spec_survives_its_file() -> None:
    assert transfer_spec_from_json(SPEC.to_json(), "transfer.json") == SPEC


def test_a_file_without_a_version_is_read() -> None:
    former = json_object(SPEC.to_json(), "transfer.json")
    assert former.pop("version") == 2
    assert transfer_spec_from_json(json.dumps(former).encode(), "transfer.json") == SPEC


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"version": 3}, "has format 3.*use a newer one"),
        ({"replicates": "many"}, "damaged.*replicates='many' is str"),
    ],
)
def test_what_cannot_be_read_is_named(change: dict[str, object], said: str) -> None:
    content = json.dumps(json_object(SPEC.to_json(), "transfer.json") | change).encode()
    with pytest.raises(InputError, match=f"(?s)x/transfer.json .*{said}"):
        transfer_spec_from_json(content, "x/transfer.json")
