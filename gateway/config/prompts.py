"""prompts/*.yaml compiled: templates, shapes and settings, each fault at its own line and column."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path as FilePath
from pathlib import PurePath
from types import MappingProxyType
from typing import Any

from gateway.config.coerce import coerce
from gateway.config.document import Document, Path, Section
from gateway.config.files import bundled
from gateway.config.include import Sources, read_document
from gateway.config.model import LongInput, Prompt
from gateway.config.names import unknown
from gateway.config.quantities import nano_usd
from gateway.config.schema import check, read_schema
from gateway.config.templates import compile_at
from gateway.shape import SchemaFault, Shape, compile_shape
from gateway.types import EMPTY

DIALECT = "prompt"
PART_NAMES = ("part", "parts", "max_chars")  # what `summarise` reads beside the input
MODEL_FIELDS = ("model", "provider")  # what a client may always say, where the input declares no such field

_SETTINGS = {"max_tokens": "max_output_tokens"}  # of `Chat`, where it has another name


class Prompts:
    """Reads each prompt file once, however many routes name it."""

    def __init__(self, sources: Sources) -> None:
        self.sources = sources
        self._known: dict[str, tuple[Prompt, Section] | None] = {}

    def compile(self, place: Section) -> tuple[Prompt, Section] | None:
        """Return the prompt in the file that a route names, and the file's section; None where it has faults."""
        path = _path(place)
        if path is None:
            return None
        name = str(path)
        if name not in self._known:
            self._known[name] = self._read(path, place)
        return self._known[name]

    def _read(self, path: FilePath, place: Section) -> tuple[Prompt, Section] | None:
        problems = self.sources.problems
        if not path.is_file():
            place.error(f"prompt is {place.show()}; there is no file {path}")
            return None
        before = len(problems)
        document = read_document(path, self.sources)
        if document is None:
            return None
        rules = read_schema(bundled() / "schemas" / "prompt.schema.json")
        coerce(document, rules)
        check(document, document.value, rules, problems)
        if any(problem.severity == "error" for problem in problems[before:]):
            return None
        root = Section(document, (), document.value, problems)
        prompt = _prompt(root, self.sources)
        return (prompt, root) if prompt is not None else None


def _path(place: Section) -> FilePath | None:
    """Return the file that a route names: below the folder of the file that names it, else among our own."""
    name: str = place.value
    if "\0" in name or PurePath(name).is_absolute() or ".." in PurePath(name).parts:
        place.error("prompt takes the name of a file below this file's folder, without '..'")
        return None
    beside = FilePath(place.document.value_mark(place.path).file).parent / name
    return beside if beside.is_file() or not (bundled() / name).is_file() else bundled() / name


def _prompt(root: Section, sources: Sources) -> Prompt | None:
    shape = _shape(root.at("input"))
    output = _shape(root.at("output")) if "output" in root else None
    names = tuple(shape.properties) if shape is not None else ()
    template = compile_at(root.at("template"), names, sources)
    system = compile_at(root.at("system"), names, sources) if "system" in root else None
    long_input = _long_input(root.at("long_input"), names, sources) if "long_input" in root else None
    if output is not None and "fallback" in root:
        for fault in output.faults(root.get("fallback")):
            _at(root.at("fallback"), fault.path).error(f"fallback does not fit the output: {fault}")
    if output is None and (lost := [key for key in ("fallback", "strict", "repair") if key in root]):
        root.at(lost[0]).error(f"'{lost[0]}' goes with an 'output' only", at_key=True)
    cost = _cost(root.at("max_cost_usd"))
    if shape is None or template is None:
        return None
    settings = {_SETTINGS.get(key, key): _plain(value) for key, value in (root.get("parameters") or {}).items()}
    return Prompt(
        file=root.document.file,
        template=template,
        input=shape,
        system=system,
        model=root.get("model"),
        settings=MappingProxyType(settings) if settings else EMPTY,
        output=output,
        is_strict=root.get("strict"),
        is_repaired=root.get("repair", "once") == "once",
        fallback=root.get("fallback"),
        long_input=long_input,
        max_cost_nano_usd=cost,
    )


def _plain(value: Any) -> Any:
    """JSON Schema counts 4096.0 as an integer."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _long_input(section: Section, names: tuple[str, ...], sources: Sources) -> LongInput | None:
    field, max_chars = section.get("field"), int(section.get("max_chars"))
    if field not in names:
        section.at("field").error(f"field is '{field}', which 'input' does not declare{unknown(field, names)}")
    summarise = compile_at(section.at("summarise"), (*names, *PART_NAMES), sources)
    if summarise is None:
        return None
    piece_chars = int(section.get("piece_chars", max_chars))
    return LongInput(
        field=field,
        max_chars=max_chars,
        summarise=summarise,
        piece_chars=piece_chars,
        max_pieces=int(section.get("max_pieces", 100)),
        summary_tokens=int(section.get("summary_tokens", 1000)),
    )


def _cost(place: Section) -> int | None:
    if place.value is None:
        return None
    try:
        return nano_usd(place.value)
    except ValueError as error:
        place.error(f"max_cost_usd is {place.show()}, which {error}")
        return None


# ---------------------------------------------------------------- shapes, at their places


def _shape(place: Section) -> Shape | None:
    try:
        return compile_shape(place.value)
    except SchemaFault as fault:
        _at(place, fault.path).error(f"not a JSON Schema: {fault.message}")
        return None


def _at(section: Section, path: Path) -> Section:
    """Return the section at a path below `section`, as far as there is one."""
    document: Document = section.document
    for step in path:
        deeper = (*section.path, step)
        if deeper not in document.values:
            break
        section = replace(section.at(step), path=deeper)
    return section
