"""Queries over families: the few forms that panels need. A name or label that no family has is an error here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from scripts.monitoring.families import Family

WHERE = 'job=~"$job",instance=~"$instance"'
Families = Mapping[str, Family]


@dataclass(frozen=True, slots=True)
class Query:
    """`text` has a label in braces, as Grafana's legends have them; `families` are those that it asks."""

    expr: str
    text: str
    families: tuple[str, ...]


Make = Callable[[Families], Query]


def rate(name: str, by: str = "", where: str = "", text: str = "") -> Make:
    """How often a second; of a histogram how often something was observed."""
    return lambda known: _summed(
        known, name, f"rate({_sample(known, name)}{_where(known, name, where)}[{RANGE}])", by, text
    )


def increase(name: str, by: str = "", where: str = "", text: str = "") -> Make:
    """How often in the time that the dashboard shows."""
    return lambda known: _summed(
        known, name, f"increase({_sample(known, name)}{_where(known, name, where)}[$__range])", by, text
    )


def now(name: str, by: str = "", how: str = "sum", text: str = "") -> Make:
    """What a gauge says, over all processes together (`how`: sum, max, min)."""
    return lambda known: _summed(known, name, f"{_sample(known, name)}{_where(known, name, '')}", by, text, how)


def quantile(share: float, name: str, by: str = "", where: str = "") -> Make:
    """What `share` of the observed did not exceed."""

    def make(known: Families) -> Query:
        _check(known[name], by)
        bucket = f"{name}_bucket{_where(known, name, where)}"
        grouped = ", ".join(["le", *by.split()])
        expr = f"histogram_quantile({share}, sum by ({grouped}) (rate({bucket}[{RANGE}])))"
        label = f"p{share * 100:g}"
        return Query(expr, f"{_legend(by)} {label}".strip() if by else label, (name,))

    return make


def mean(name: str, by: str = "") -> Make:
    """The average of what was observed."""

    def make(known: Families) -> Query:
        _check(known[name], by)
        parts = [f"{_by('sum', by)} (rate({name}_{part}{{{WHERE}}}[{RANGE}]))" for part in ("sum", "count")]
        return Query(" / ".join(parts), _legend(by) or "mean", (name,))

    return make


def share(part: Make, whole: Make, text: str) -> Make:
    """One query divided by another; 0 where there is nothing of the part, nothing where there is no whole."""

    def make(known: Families) -> Query:
        one, all_of_it = part(known), whole(known)
        names = tuple(dict.fromkeys((*one.families, *all_of_it.families)))
        none = f"0 * {all_of_it.expr}"
        return Query(f"({one.expr} or {none}) / ({all_of_it.expr} > 0)", text, names)

    return make


def plain(expr: str, *names: str, text: str) -> Make:
    """A query as it stands, with `WHERE` for its selector's text; `names` are the families that it asks."""

    def make(known: Families) -> Query:
        for name in names:
            assert known[name].sample in expr, f"{name} is not asked by {expr}"
        return Query(expr.replace("WHERE", WHERE), text, names)

    return make


RANGE = "$__rate_interval"


def _summed(known: Families, name: str, inner: str, by: str, text: str, how: str = "sum") -> Query:
    _check(known[name], by)
    return Query(f"{_by(how, by)} ({inner})", text or _legend(by) or name, (name,))


def _sample(known: Families, name: str) -> str:
    return f"{name}_count" if known[name].kind == "histogram" else known[name].sample


def _where(known: Families, name: str, where: str) -> str:
    for label in [part.partition("=")[0].rstrip("!") for part in where.split(",") if part]:
        assert label in known[name].labels, f"{name} has no label {label}"
    return "{" + ",".join([WHERE, *([where] if where else [])]) + "}"


def _by(how: str, by: str) -> str:
    return f"{how} by ({', '.join(by.split())})" if by else how


def _legend(by: str) -> str:
    return " ".join(f"{{{{{label}}}}}" for label in by.split())


def _check(family: Family, by: str) -> None:
    unknown = set(by.split()) - {*family.labels, "instance", "job"}
    assert not unknown, f"{family.name} has no label {sorted(unknown)}; it has {family.labels}"
