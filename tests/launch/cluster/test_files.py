"""The folder of a cluster: whole records, flags, one line an event."""

import stat
from pathlib import Path

import pytest

from data.errors import InputError
from launch.cluster.files import ClusterFolder, Event, Head, Rendezvous
from tests.launch.cluster.make import heartbeat

HEAD = Rendezvous("10.0.0.1:6379", "abc", 3, "2.60", "3.11", {"torch": "2"}, "/token", "node1", 7, 1.5)


@pytest.fixture
def folder(tmp_path: Path) -> ClusterFolder:
    return ClusterFolder(tmp_path / "cluster").open()


def test_records_come_back(folder: ClusterFolder) -> None:
    assert (folder.rendezvous(), folder.head(), folder.heartbeat("4")) == (None, None, None)
    driver = Head("12", "login", 99, 1.0, 2.0, 3)
    folder.write_rendezvous(HEAD)
    folder.write_head(driver)
    folder.beat(heartbeat("4"))
    folder.beat(heartbeat("4", "gone", text="stopped"))
    assert folder.rendezvous() == HEAD
    assert folder.head() == driver
    assert folder.heartbeats() == {"4": heartbeat("4", "gone", text="stopped")}


def test_everything_in_it_is_private(folder: ClusterFolder) -> None:
    folder.write_rendezvous(HEAD)
    folder.new_token()
    folder.ask_stop()
    folder.ask_drain("4")
    folder.beat(heartbeat("4"))
    folder.event("submitted", "4")
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in [folder.root, *folder.root.rglob("*")]}
    assert {mode for path, mode in modes.items() if path.is_dir()} == {0o700}
    assert {mode for path, mode in modes.items() if path.is_file()} == {0o600}


@pytest.mark.parametrize("place", [".", "workers", "jobs"])
def test_it_is_refused_when_open_to_others(place: str, folder: ClusterFolder) -> None:
    (folder.root / place).chmod(0o750)
    with pytest.raises(InputError, match="chmod 700"):
        folder.open()


@pytest.mark.parametrize("content", [b"", b"{", b'{"other": 1}', b"[]"])
def test_a_record_of_another_version_is_as_good_as_none(content: bytes, folder: ClusterFolder) -> None:
    folder.rendezvous_path.write_bytes(content)
    (folder.root / "workers" / "4.json").write_bytes(content)
    assert folder.rendezvous() is None
    assert folder.heartbeats() == {}


def test_flags(folder: ClusterFolder) -> None:
    assert not folder.asked_to_stop()
    folder.ask_stop()
    folder.ask_drain("4")
    assert folder.asked_to_stop()
    assert (folder.asked_to_drain("4"), folder.asked_to_drain("5"), folder.drains()) == (True, False, {"4"})
    folder.clear_flags()
    assert (folder.asked_to_stop(), folder.drains()) == (False, set())


def test_events_keep_their_order_and_survive_a_cut_line(folder: ClusterFolder) -> None:
    assert [*folder.events()] == []
    first = folder.event("submitted", "4", "60 minutes\nand more")
    with folder.events_path.open("ab") as file:
        file.write(b'{"time": 1.0, "ki\n')
    second = folder.event("waiting", text="Resources")
    assert [*folder.events()] == [first, second]
    assert first == Event(first.time, "submitted", "4", "60 minutes\nand more")


def test_submitted_jobs_are_known_before_they_speak(folder: ClusterFolder) -> None:
    folder.event("submitted", "4")
    folder.event("gone", "3")
    folder.beat(heartbeat("5"))
    assert folder.submitted() == {"4", "5"}
