"""The journal keeps every finished record whatever happens to the process."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from robustrank.core.errors import StoreError
from robustrank.storage import files, hashing
from robustrank.storage import journal as store


@dataclass(frozen=True, kw_only=True)
class Line:
    """A record type of some caller of the journal."""

    key: str
    text: str = ""
    score: float = 0.0


FORMAT: store.RecordFormat[Line] = store.RecordFormat(Line, schema=7)


def _write(folder: Path, *keys: str) -> None:
    with store.Journal(folder, FORMAT) as journal:
        for key in keys:
            journal.append(Line(key=key, text="line one\nline two \u202e\ud800"))


def test_records_come_back_as_written(tmp_path: Path) -> None:
    _write(tmp_path, "a", "b")
    assert list(store.read(tmp_path, FORMAT)) == ["a", "b"]
    assert store.read(tmp_path, FORMAT)["a"].text == "line one\nline two \u202e\ud800"


def test_a_journal_cut_at_any_byte_loses_only_the_torn_record(tmp_path: Path) -> None:
    _write(tmp_path, "a", "b", "c")
    path = tmp_path / "records" / "main.jsonl"
    whole = path.read_bytes()
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        survivors = list(store.read(tmp_path, FORMAT))
        assert survivors == ["a", "b", "c"][: whole[:cut].count(b"\n")]
        _write(tmp_path, "next")
        assert list(store.read(tmp_path, FORMAT)) == [*survivors, "next"]


def test_a_changed_character_is_refused_with_its_place_and_the_fix(tmp_path: Path) -> None:
    _write(tmp_path, "a", "b")
    path = tmp_path / "records" / "main.jsonl"
    whole = path.read_bytes()
    second = whole.index(b"\n") + 1
    for place in range(second, len(whole) - 1):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(StoreError, match=r"main\.jsonl:[23]: not a record: .*delete the line.*run the audit again"):
            store.read(tmp_path, FORMAT)
    path.write_bytes(whole.replace(b', "crc32"', b', "crc33"'))
    with pytest.raises(StoreError, match=r"main\.jsonl:1: not a record: it has no checksum"):
        store.read(tmp_path, FORMAT)


def test_a_full_disk_is_told_and_leaves_whole_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write

    def short_of_space(file: int, data: bytes) -> int:
        if len(data) < 60:
            raise OSError(28, "No space left on device")
        return write(file, data[:60])

    with store.Journal(tmp_path, FORMAT) as journal:
        journal.append(Line(key="a"))
        monkeypatch.setattr(os, "write", short_of_space)
        with pytest.raises(StoreError, match=r"cannot be written: .*No space left"):
            journal.append(Line(key="b" * 40))
        monkeypatch.undo()
    assert (tmp_path / "records" / "main.jsonl").read_bytes().count(b"\n") == 1
    assert list(store.read(tmp_path, FORMAT)) == ["a"]


def test_symbolic_links_in_a_folder_from_elsewhere_are_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("mine")
    for name in ("lock", "records/main.jsonl", "records"):
        folder = tmp_path / name.replace("/", "-")
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to(precious if name != "records" else tmp_path)
        with pytest.raises(StoreError, match="symbolic link"):
            store.Journal(folder, FORMAT)
    (tmp_path / "summary.json").symlink_to(precious)
    (tmp_path / "summary.json.part").symlink_to(precious)
    files.replace(tmp_path / "summary.json", "new")
    assert precious.read_text() == "mine"
    assert not (tmp_path / "summary.json").is_symlink()
    assert (tmp_path / "summary.json").read_text() == "new"


def test_a_broken_line_in_the_middle_is_an_error_with_its_place(tmp_path: Path) -> None:
    _write(tmp_path, "a", "b")
    path = tmp_path / "records" / "main.jsonl"
    path.write_bytes(path.read_bytes().replace(b"{", b"[", 1))
    with pytest.raises(StoreError, match=r"main\.jsonl:1: not a record"):
        store.read(tmp_path, FORMAT)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"schema": 6, "key": "b"}', "schema 6, this version reads 7"),
        ('{"key": "b"}', "schema None, this version reads 7"),
        ('{"schema": 7, "key": "b", "colour": "red"}', r"unknown field - at `\$\.colour`"),
        ('{"schema": 7, "key": "b", "score": "high"}', r"Expected `float`, got `str` - at `\$\.score`"),
        ('{"schema": 7}', "missing required field `key`"),
    ],
)
def test_a_line_of_another_form_is_an_error_with_its_place(line: str, message: str, tmp_path: Path) -> None:
    _write(tmp_path, "a")
    with (tmp_path / "records" / "main.jsonl").open("a") as file:
        file.write(store.checked(line).decode())
    with pytest.raises(StoreError, match=rf"main\.jsonl:2: not a record: .*{message}"):
        store.read(tmp_path, FORMAT)


def test_records_of_several_writers_are_united_and_a_key_counts_once(tmp_path: Path) -> None:
    _write(tmp_path, "a", "b")
    main = tmp_path / "records" / "main.jsonl"
    lines = [FORMAT.dumps(Line(key="c")), FORMAT.dumps(Line(key="a", text="later"))]
    main.with_name("other.jsonl").write_bytes(b"".join(map(store.checked, lines)))
    records = store.read(tmp_path, FORMAT)
    assert sorted(records) == ["a", "b", "c"]
    assert records["a"].text == "later"


def test_two_runs_cannot_write_the_same_folder(tmp_path: Path) -> None:
    with store.Journal(tmp_path, FORMAT):
        code = (
            "import sys; from pathlib import Path; from robustrank.storage.journal import Journal, RecordFormat; "
            "Journal(Path(sys.argv[1]), RecordFormat(dict, schema=7))"
        )
        done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False)
    assert "another audit is writing to this folder" in done.stderr
    _write(tmp_path, "a")  # the lock is gone


def test_fresh_runs_put_old_records_aside_and_lose_none(tmp_path: Path) -> None:
    _write(tmp_path, "old")
    with store.Journal(tmp_path, FORMAT) as journal:
        journal.put_aside()
        journal.append(Line(key="new"))
    assert list(store.read(tmp_path, FORMAT)) == ["new"]
    assert "old" in (tmp_path / "records.old-1" / "main.jsonl").read_text()


def test_nan_is_refused_rather_than_written(tmp_path: Path) -> None:
    with store.Journal(tmp_path, FORMAT) as journal, pytest.raises(ValueError, match="not JSON compliant"):
        journal.append(Line(key="a", score=float("nan")))
    assert store.read(tmp_path, FORMAT) == {}


def test_digests_do_not_depend_on_the_order_of_keys() -> None:
    assert hashing.digest({"a": 1, "b": [2]}) == hashing.digest({"b": [2], "a": 1})
    assert hashing.digest({"a": 1}) != hashing.digest({"a": 2})
