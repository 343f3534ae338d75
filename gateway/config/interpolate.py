"""Put `${VAR}`, `${VAR:-default}`, `${VAR:?message}` and `${file:/path}` into scalar values, after parsing.

A value that came from outside can therefore never add a key, a list item or a second reference. `$$` is a dollar sign.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path as FilePath
from typing import Any

from gateway.config.document import Document, Path
from gateway.errors import Problem

MAX_SECRET_BYTES = 65_536  # a key or a service account's JSON; more is some other file

_REFERENCE = re.compile(r"\$\$|\$\{([^{}]*)\}|\$\{")
_VARIABLE = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?:(?P<operator>:-|:\?)(?P<argument>.*))?\Z", re.DOTALL)


class _Unresolved(Exception):
    """A reference that cannot be replaced; the message says why."""


def interpolate(document: Document, environ: Mapping[str, str], problems: list[Problem]) -> Document:
    """Return the document with every reference replaced; values that held one are strings.

    Where one cannot be replaced, a problem is added and the value stays as written.
    """
    walk = _Walk(document, environ, problems)
    value = walk.value(document.value, ())
    return replace(document, value=value, texts=walk.texts, variables=walk.variables)


class _Walk:
    def __init__(self, document: Document, environ: Mapping[str, str], problems: list[Problem]) -> None:
        self._document = document
        self._environ = environ
        self._problems = problems
        self.texts: dict[Path, str] = {}
        self.variables: dict[Path, tuple[str, ...]] = {}

    def value(self, value: Any, path: Path) -> Any:
        if isinstance(value, str):
            return self._text(value, path) if "$" in value else value
        if isinstance(value, dict):
            return {key: self.value(item, (*path, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [self.value(item, (*path, index)) for index, item in enumerate(value)]
        return value

    def _text(self, text: str, path: Path) -> str:
        names: list[str] = []
        folder = FilePath(self._document.value_mark(path).file).parent

        def replacement(found: re.Match[str]) -> str:
            if found[0] == "$$":
                return "$"
            if found[1] is None:
                raise _Unresolved(_unclosed(text, found.start()))
            name, result = _resolve(found[1], self._environ, folder)
            names.append(name)
            return result

        try:
            result = _REFERENCE.sub(replacement, text)
        except _Unresolved as error:
            mark = self._document.value_mark(path)
            self._problems.append(Problem(mark.file, mark.line, mark.column, str(error)))
            self.texts[path], self.variables[path] = text, ()
            return text
        if names:
            self.texts[path], self.variables[path] = text, tuple(names)
        return result


def _resolve(reference: str, environ: Mapping[str, str], folder: FilePath) -> tuple[str, str]:
    """Return what the reference names and what it stands for. Raises _Unresolved."""
    if reference.startswith("file:"):
        return reference, _read(reference[5:], folder)
    match = _VARIABLE.match(reference)
    if match is None:
        raise _Unresolved(
            f"${{{reference}}} is not a reference; write ${{VAR}}, ${{VAR:-default}}, ${{VAR:?message}} or "
            "${file:/path}, and $$ for a dollar sign"
        )
    name, operator, argument = match["name"], match["operator"], match["argument"]
    value = environ.get(name)
    if value or (value == "" and operator is None):
        return name, value
    if operator == ":-":
        return name, argument
    if operator == ":?":
        raise _Unresolved(f"{name} is not set: {argument or 'it has to be'}")
    raise _Unresolved(f"{name} is not set; set it in the environment or in .env, or write ${{{name}:-default}}")


def _read(name: str, folder: FilePath) -> str:
    """Return the text of a file without the line end it closes with. Relative names start at `folder`."""
    if not name:
        raise _Unresolved("${file:} names no file; write ${file:/run/secrets/name}")
    try:
        with (folder / name).open("rb") as file:
            data = file.read(MAX_SECRET_BYTES + 1)
        text = data.decode()
    except UnicodeDecodeError:
        raise _Unresolved(f"the file {name} is not UTF-8 text") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "the name is not valid"
        raise _Unresolved(f"the file {name} cannot be read: {reason}") from None
    if len(data) > MAX_SECRET_BYTES:
        raise _Unresolved(f"the file {name} is larger than {MAX_SECRET_BYTES} bytes")
    return text.removesuffix("\n").removesuffix("\r")


def _unclosed(text: str, start: int) -> str:
    if text.find("${", start + 2) != -1:
        return "a reference inside a reference is not supported; give the inner one as the variable's own value"
    return "'${' is not closed with '}'; write $$ for a dollar sign"
