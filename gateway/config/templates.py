"""Templates in the files of operators, compiled: what is wrong is reported in the very line of the file."""

from __future__ import annotations

from gateway.config.document import Section
from gateway.config.include import Sources
from gateway.config.names import unknown
from gateway.errors import Problem
from gateway.template import Template, TemplateFault, compile_template


def compile_at(
    place: Section, names: tuple[str, ...], sources: Sources, what: str = "'input' does not declare"
) -> Template | None:
    """Return the template that stands at a place; None where it cannot be read. `names` are those it may read."""
    try:
        template = compile_template(place.value)
    except TemplateFault as fault:
        _report(place, fault.line, f"the template cannot be read: {fault.message}", sources)
        return None
    for name, line in template.names.items():
        if name not in names:
            _report(
                place,
                line,
                f"the template reads '{name}', which {what}{unknown(name, names)}",
                sources,
            )
    return template


def _report(place: Section, line: int, message: str, sources: Sources) -> None:
    """Report what is wrong in a line of a template, where that line stands in the file."""
    mark = place.document.value_mark(place.path)
    lines = sources.files.get(mark.file, b"").decode("utf-8", "replace").splitlines()
    start = lines[mark.line - 1][mark.column - 1 :] if mark.line <= len(lines) else ""
    number = mark.line + (line if start[:1] in ("|", ">") else line - 1)
    text = lines[number - 1] if number <= len(lines) else ""
    column = mark.column if number == mark.line else len(text) - len(text.lstrip()) + 1
    place.problems.append(Problem(mark.file, number, column, message))
