"""Every page, read from its top to its bottom by somebody who does what it says. What a block is run as:

| language | what is done |
|---|---|
| `sh` | typed into a shell; each command has to succeed |
| `console` | lines that begin with `$ ` are typed, what follows each is what it has to say |
| `text` | what the shell block before it says |
| `python` | a program, which has to succeed; where its first line is `# plugins/NAME.py`, it is put there |
| `yaml` | a configuration as soon as the least is added that it needs; a whole file, by its first line, is put there |
| `json` | the answer to the shell block before it, by its fields; else anything that is JSON |
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from tests.docs.compare import unlike_json, unlike_text
from tests.docs.fragments import documents, merge, problems
from tests.docs.page import Snippet
from tests.docs.reader import Reader

LANGUAGES = {"sh", "console", "text", "python", "yaml", "json"}


async def read(snippets: list[Snippet], reader: Reader) -> None:
    """Do what the snippets of a page say; AssertionError where one does not hold."""
    last = ""
    for snippet in snippets:
        if snippet.is_run:
            try:
                await run(snippet, reader, last)
            except (AssertionError, ValueError) as error:
                raise AssertionError(f"{snippet}: {error}") from error
        last = snippet.language if snippet.is_run else ""


async def run(snippet: Snippet, reader: Reader, last: str) -> None:
    if snippet.file is not None:
        await put(snippet, reader)
        return
    match snippet.language:
        case "sh":
            await reader.shell(snippet.text, fails=snippet.told == "fails")
        case "console":
            await talk(snippet.text, reader)
        case "python":
            await reader.python(snippet.text)
        case "text":
            assert last in ("sh", "python"), "no command before it says this"
            wrong = unlike_text(reader.typed(snippet.text), reader.said)
            assert wrong is None, wrong
        case "json":
            shown = json.loads(snippet.text)
            if last == "sh":
                wrong = unlike_json(shown, answers(reader.said)[-1])
                assert wrong is None, wrong
        case "yaml" if snippet.told == "apply":
            apply(snippet.text, reader.place)
        case "yaml":
            wrong = "; ".join(problems(snippet.text, reader.place))
            assert not wrong, wrong
        case language:
            raise AssertionError(f"nothing runs {language!r}: write one of {sorted(LANGUAGES)}, or why it cannot run")


def answers(said: str) -> list[Any]:
    """Return the JSON values that were said one after the other, without anything between them, as curl does."""
    found, place, decoder = [], 0, json.JSONDecoder()
    while place < len(said):
        value, place = decoder.raw_decode(said, place)
        found.append(value)
        place += len(said[place:]) - len(said[place:].lstrip())
    return found


async def put(snippet: Snippet, reader: Reader) -> None:
    """Write a file of the reader's folder; a gateway that serves from it reads it when the page reloads."""
    assert snippet.file is not None
    path = reader.place / snippet.file
    path.parent.mkdir(parents=True, exist_ok=True)
    text = snippet.text
    if path.name == "routes.yaml" and "listen:" not in text:
        text = text.replace("version: 1\n", 'version: 1\nserver: {listen: "127.0.0.1:0"}\n', 1)
    path.write_text(text)


async def talk(text: str, reader: Reader) -> None:
    """Type what follows each `$ `, and compare what is said to it, whatever the status."""
    for part in text.split("\n$ "):
        command, _, shown = part.removeprefix("$ ").partition("\n")
        said = await reader.shell(f"{{ {command}; }} || true")
        wrong = unlike_text(reader.typed(shown), said)
        assert wrong is None, f"{command}: {wrong}"


def apply(text: str, folder: Path) -> None:
    """Put a fragment into the reader's files."""
    for name, piece in zip(("routes.yaml", "providers.yaml"), documents(text), strict=True):
        path = folder / name
        if piece:
            path.write_text(yaml.safe_dump(merge(yaml.safe_load(path.read_text()), piece), sort_keys=False))
