"""Objects by import path: ``"package.module:name"``, or ``"folder/module:name"`` for a module that lies in a folder.

A module of a folder is imported with the folder last on Python's path: it hides no installed module, and where an
installed one would hide it, it is refused rather than confused with it.
"""

from __future__ import annotations

import sys
from importlib import import_module, invalidate_caches
from importlib.util import find_spec
from operator import attrgetter
from pathlib import Path
from threading import RLock
from typing import Any

from robustrank.core import interrupts
from robustrank.core.errors import PluginError, reason

_folders: list[str] = []
"""The folder whose modules are imported now: at most one, so that the audits of a process do not mix."""

_importing = RLock()


def load(path: str, what: str) -> Any:
    """The object at an import path.

    Args:
        path: ``"module:name"``, ``"module:object.name"`` or either with a folder before it.
        what: What it is for, for messages.

    Raises:
        PluginError: It is no import path, cannot be imported, or another module has its name.
    """
    place, slash, rest = path.rpartition("/")
    module, colon, name = rest.partition(":")
    if not (module and colon and name):
        raise PluginError(f"{what} must be 'package.module:name', not {path!r}")
    try:
        with _importing:
            if slash:
                _enter(Path(place or "/").resolve(), module, what)
            return attrgetter(name)(import_module(module))
    except PluginError:
        raise
    except BaseException as error:  # sys.exit at import is no end of the audit either
        interrupts.check()
        hint = ""
        if isinstance(error, ModuleNotFoundError) and (error.name or "").partition(".")[0] == module.partition(".")[0]:
            hint = "; a module is installed, on PYTHONPATH, or given with its folder ('folder/module:name')"
        raise PluginError(f"{what}: {path!r} cannot be imported: {reason(error)}{hint}") from error


def beside(path: str, folder: Path) -> str:
    """The import path with the folder in it, where its module lies there; else as it is."""
    module, colon, _ = path.partition(":")
    if not colon or not all(part.isidentifier() for part in module.split(".")):
        return path
    return f"{folder}/{path}" if _lies_in(folder, module) else path


def shown(path: str) -> str:
    """The import path without its folder, for names: it is the same function wherever the files lie."""
    return path.rpartition("/")[2]


def _lies_in(folder: Path, module: str) -> bool:
    inner = folder.joinpath(*module.split("."))
    return inner.with_name(f"{inner.name}.py").is_file() or (inner / "__init__.py").is_file()


def _enter(folder: Path, module: str, what: str) -> None:
    """Make a folder the last of Python's path, and forget modules of the folder that was it before.

    Raises:
        PluginError: There is no such module, or one of the same name comes before it.
    """
    if not _lies_in(folder, module):
        raise PluginError(f"{what}: there is no module {module!r} in {folder}")
    for other in [each for each in _folders if each != str(folder)]:
        _folders.remove(other)
        if other in sys.path:
            sys.path.remove(other)
        for name in [n for n, loaded in sys.modules.items() if _is_in(loaded, Path(other))]:
            del sys.modules[name]
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
        _folders.append(str(folder))
    invalidate_caches()
    top = module.partition(".")[0]
    loaded = sys.modules.get(top)
    spec = None if loaded is not None else find_spec(top)
    places = [getattr(loaded, "__file__", None), *getattr(loaded, "__path__", ())] if loaded is not None else []
    if spec is not None:
        places = [spec.origin, *(spec.submodule_search_locations or ())]
    if not any(place is not None and Path(place).resolve().is_relative_to(folder) for place in places):
        hides = next((place for place in places if place), "built in")
        raise PluginError(
            f"{what}: the module {top!r} in {folder} has the name of another one ({hides}), which would be imported in "
            "its place; rename yours"
        )


def _is_in(module: Any, folder: Path) -> bool:
    file = getattr(module, "__file__", None)
    return isinstance(file, str) and Path(file).is_relative_to(folder)
