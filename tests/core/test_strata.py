"""Which ranks a stratum means."""

from __future__ import annotations

import pytest

from robustrank.config.audit_file import parse
from robustrank.core.errors import ConfigError
from robustrank.core.strata import first_rank, ranks

AUDIT = 'name = "x"\n[[collection]]\nuse = "scifact"\n[[ranker]]\nuse = "bm25"\n[cases]\n'


def test_a_range_ends_where_the_list_ends_and_the_last_five_are_counted_from_there() -> None:
    assert list(ranks("11-20", 13)) == [11, 12, 13]
    assert list(ranks("51-100", 30)) == []
    assert list(ranks("last 5", 30)) == [26, 27, 28, 29, 30]
    assert list(ranks("last 5", 3)) == [1, 2, 3]
    assert first_rank("21-50") == 21
    assert first_rank("last 5") > 100


@pytest.mark.parametrize("wrong", ["0-5", "20-11", "last", "last 0", "first 5", "11", "-5", "last -1"])
def test_anything_else_is_refused(wrong: str) -> None:
    with pytest.raises(ConfigError, match="is not a rank range such as '11-20' or 'last 5'"):
        parse(f"{AUDIT}strata = ['{wrong}']")


def test_several_targets_may_be_drawn_from_each() -> None:
    assert parse(f"{AUDIT}strata = ['last 5']\ntargets = 3").cases.targets == 3
    with pytest.raises(ConfigError, match="targets must be a whole number of at least 1"):
        parse(f"{AUDIT}targets = 0")
