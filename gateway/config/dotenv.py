"""The `.env` file beside the configuration: `KEY=value` lines for what the environment does not say."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from gateway.errors import Problem

MAX_FILE_BYTES = 65_536  # a list of variables; more is some other file

_LINE = re.compile(r"(?:export\s+)?(?P<key>[A-Za-z_][A-Za-z0-9_]*)\s*=\s*(?P<rest>.*)\Z")
_DOUBLE = re.compile(r'"(?P<text>(?:[^"\\]|\\.)*)"\s*(?:#.*)?\Z')
_SINGLE = re.compile(r"'(?P<text>[^']*)'\s*(?:#.*)?\Z")
_COMMENT = re.compile(r"(?:^|\s)#.*\Z")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}


def with_dotenv(folders: tuple[Path, ...], environ: Mapping[str, str], problems: list[Problem]) -> dict[str, str]:
    """Return the environment on top of the `.env` files in `folders`; the first folder wins among them."""
    merged: dict[str, str] = {}
    for folder in reversed(folders):
        merged |= read_dotenv(folder / ".env", problems)
    return merged | dict(environ)


def read_dotenv(path: Path, problems: list[Problem]) -> dict[str, str]:
    """Return the variables of the file, none where there is no file. Nothing in it is expanded."""
    try:
        data = path.read_bytes()
        text = data.decode("utf-8-sig")
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return {}
    except (OSError, UnicodeDecodeError) as error:
        problems.append(Problem(str(path), 1, 1, f"cannot be read: {error}"))
        return {}
    if len(data) > MAX_FILE_BYTES:
        problems.append(Problem(str(path), 1, 1, f"has {len(data)} bytes, at most {MAX_FILE_BYTES} are read"))
        return {}
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        match = _LINE.match(stripped)
        value = _value(match["rest"]) if match else None
        if match is None or value is None:
            problems.append(Problem(str(path), number, 1, "expected KEY=value, KEY='value' or KEY=\"value\""))
            continue
        found[match["key"]] = value
    return found


def _value(rest: str) -> str | None:
    """Return what stands right of the `=`, or None where a quote is not closed."""
    if rest.startswith('"'):
        match = _DOUBLE.match(rest)
        return re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[1]), match["text"]) if match else None
    if rest.startswith("'"):
        match = _SINGLE.match(rest)
        return match["text"] if match else None
    return _COMMENT.sub("", rest).rstrip()
