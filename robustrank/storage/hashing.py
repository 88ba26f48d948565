"""Content hashes of plain data."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any


def digest(*parts: Any) -> str:
    """The first 24 hex digits of the SHA-256 of plain data's JSON; the same in every process."""
    return sha256(_ENCODER.encode(parts).encode("utf-8", "surrogatepass")).hexdigest()[:24]


_ENCODER = json.JSONEncoder(sort_keys=True, ensure_ascii=False, default=str)
