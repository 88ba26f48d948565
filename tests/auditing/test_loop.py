"""The loop of every run: what is recorded is not done again; a record is on disk before the next task begins."""

from __future__ import annotations

from pathlib import Path

from robustrank.auditing.loop import Loop
from robustrank.core.progress import Silent
from robustrank.storage import journal as store
from robustrank.storage.journal import Journal
from robustrank.topics.records import FORMAT, AnyRecord, CleanLists
from robustrank.work.executors.local import Serial


def made(key: str) -> AnyRecord:
    return CleanLists(key=key, ranker="r", topic="t", scores={"q": {"d": 1.0}})


def test_only_what_has_no_record_is_done_and_each_record_is_written_first(tmp_path: Path) -> None:
    done: list[str] = []

    def perform(key: str) -> AnyRecord:
        assert list(store.read(tmp_path, FORMAT)) == sorted({"a", *done})
        done.append(key)
        return made(key)

    with Journal(tmp_path, FORMAT) as journal:
        loop = Loop(journal, FORMAT, Serial(), Silent())
        loop.note(made("a"))
        loop.note(made("a"))
        loop.run("phase", {key: key for key in "abc"}, perform)
        assert done == ["b", "c"]
        loop.run("phase", {key: key for key in "abc"}, perform)
        assert done == ["b", "c"]
    assert list(store.read(tmp_path, FORMAT)) == ["a", "b", "c"]
    with Journal(tmp_path, FORMAT) as journal:
        assert list(Loop(journal, FORMAT, Serial(), Silent()).records) == ["a", "b", "c"]


def test_a_phase_ends_at_its_limit_or_where_go_on_is_false(tmp_path: Path) -> None:
    with Journal(tmp_path, FORMAT) as journal:
        loop = Loop(journal, FORMAT, Serial(), Silent())
        tasks = {key: key for key in "abcdef"}
        loop.run("phase", tasks, made, most=0)
        assert list(loop.records) == []
        loop.run("phase", tasks, made, most=2)
        assert list(loop.records) == ["a", "b"]
        loop.run("phase", tasks, made, go_on=lambda record: record.key != "d")
        assert list(loop.records) == ["a", "b", "c", "d"]
