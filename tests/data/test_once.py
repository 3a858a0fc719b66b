"""Checksums that are compared once a host."""

import tempfile
import zlib
from pathlib import Path

import pytest

from data import once, shards
from data.store import FrameStore
from tests.data.stores import tiny_store

CONTENT = b"frames" * 99
CRC = zlib.crc32(CONTENT)


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that are compared, on a host with a temporary folder of its own, where no file is small."""
    compared: list[Path] = []
    crc = once.file_crc32

    def counted(path: Path) -> int:
        compared.append(path)
        return crc(path)

    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    monkeypatch.setattr(once, "_SMALL", 0)
    monkeypatch.setattr(once, "file_crc32", counted)
    return compared


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "00000.bin"
    path.write_bytes(CONTENT)
    return path


def test_a_file_is_compared_once(host: list[Path], file: Path) -> None:
    assert [once.is_intact(file, CRC) for _ in range(3)] == [True] * 3
    assert host == [file]


def test_a_file_that_was_written_to_is_compared_again(host: list[Path], file: Path) -> None:
    assert once.is_intact(file, CRC)
    file.write_bytes(CONTENT[:-1] + b"!")
    assert [once.is_intact(file, CRC) for _ in range(2)] == [False] * 2, "a wrong file is never remembered"
    assert len(host) == 3


def test_nothing_is_remembered_for_another_checksum_or_another_boot(
    host: list[Path], file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert once.is_intact(file, CRC)
    assert not once.is_intact(file, CRC + 1)
    (tmp_path / "boot").write_text("another")
    monkeypatch.setattr(once, "_BOOT", tmp_path / "boot")
    assert once.is_intact(file, CRC)
    assert len(host) == 3


def test_a_folder_that_others_could_have_made_is_not_trusted(host: list[Path], file: Path, tmp_path: Path) -> None:
    assert once.is_intact(file, CRC)
    (folder,) = (tmp_path / "tmp").iterdir()
    folder.chmod(0o777)
    assert once.is_intact(file, CRC)
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    assert once.is_intact(file, CRC)
    assert len(host) == 3


def test_small_files_leave_no_mark(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    assert once.is_intact(file, CRC)
    assert not once.is_intact(file, CRC + 1)
    assert not [*(tmp_path / "tmp").iterdir()]


def test_a_long_comparison_is_said_with_its_speed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def read(store: FrameStore) -> str:
        store.read([0])  # type: ignore[arg-type]
        return capsys.readouterr().err

    store = tiny_store(tmp_path)
    assert read(store) == ""
    monkeypatch.setattr(shards, "SAY_EVERY_S", 0.0)
    said = read(tiny_store(tmp_path))
    assert said.startswith(f"checking the frames of {store.path.name}: 0.0 GB in 0 s, ")
    assert said.endswith("GB/s\n")
