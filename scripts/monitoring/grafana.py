"""Dashboards as Grafana 11's JSON: panels laid out in rows, three or four beside each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from scripts.monitoring.families import Family
from scripts.monitoring.panel import Dashboard, Panel
from scripts.monitoring.queries import Query

COLUMNS = 24  # Grafana's grid
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
SCHEMA_VERSION = 39  # of Grafana 11; later ones read it and bring it up to date
SIZES = {"number": (4, 4), "lines": (8, 8), "stacked": (8, 8), "table": (8, 8), "states": (12, 8)}
TYPES = {"number": "stat", "lines": "timeseries", "stacked": "timeseries", "table": "table", "states": "state-timeline"}


def dashboard(one: Dashboard, known: Mapping[str, Family]) -> dict[str, Any]:
    """Return what Grafana loads; `known` are the families there are."""
    return {
        "uid": f"ai-gateway-{one.name}",
        "title": one.title,
        "tags": ["ai-gateway"],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "timezone": "browser",
        "links": [
            {"type": "dashboards", "tags": ["ai-gateway"], "title": "AI gateway", "asDropdown": True, "keepTime": True,
             "includeVars": True},
        ],
        "templating": {"list": list(_variables())},
        "annotations": {"list": [_reloads()]},
        "panels": list(_panels(one, known)),
    }  # fmt: skip


def queries(panel: Panel, known: Mapping[str, Family]) -> list[Query]:
    return [make(known) for make in panel.queries]


def _panels(one: Dashboard, known: Mapping[str, Family]) -> Iterator[dict[str, Any]]:
    number, y = 0, 0
    for title, panels in one.rows:
        number += 1
        yield {
            "id": number,
            "type": "row",
            "title": title,
            "collapsed": False,
            "panels": [],
            "gridPos": _place(0, y, COLUMNS, 1),
        }
        x, y, tallest = 0, y + 1, 0
        for panel in panels:
            number += 1
            width, height = SIZES[panel.form]
            if x + width > COLUMNS:
                x, y, tallest = 0, y + tallest, 0
            yield _panel(number, panel, known, _place(x, y, width, height))
            x, tallest = x + width, max(tallest, height)
        y += tallest


def _panel(number: int, panel: Panel, known: Mapping[str, Family], place: dict[str, int]) -> dict[str, Any]:
    asked = queries(panel, known)
    names = dict.fromkeys(name for query in asked for name in query.families)
    is_instant = panel.form in ("number", "table")
    return {
        "id": number,
        "type": TYPES[panel.form],
        "title": panel.title,
        "description": "\n\n".join(f"{known[name].sample}: {known[name].help}" for name in names),
        "datasource": SOURCE,
        "gridPos": place,
        "targets": [
            {
                "refId": chr(ord("A") + index),
                "datasource": SOURCE,
                "expr": query.expr,
                "legendFormat": query.text,
                "range": not is_instant,
                "instant": is_instant,
                **({"format": "table"} if panel.form == "table" else {}),
            }
            for index, query in enumerate(asked)
        ],
        "fieldConfig": {"defaults": _defaults(panel), "overrides": []},
        "options": _options(panel),
        **(
            {"transformations": [{"id": "organize", "options": {"excludeByName": {"Time": True}}}]}
            if panel.form == "table"
            else {}
        ),
    }


def _defaults(panel: Panel) -> dict[str, Any]:
    steps = [{"color": colour, "value": value} for colour, value in panel.steps or (("green", None),)]
    found: dict[str, Any] = {"unit": panel.unit, "thresholds": {"mode": "absolute", "steps": steps}}
    if panel.form in ("lines", "stacked"):
        found["min"] = 0
        found["custom"] = {
            "fillOpacity": 40 if panel.form == "stacked" else 10,
            "stacking": {"mode": "normal" if panel.form == "stacked" else "none"},
            "showPoints": "never",
        }
    if panel.form == "states" or panel.steps:
        found["color"] = {"mode": "thresholds"}
    return found


def _options(panel: Panel) -> dict[str, Any]:
    if panel.form == "number":
        return {"reduceOptions": {"calcs": ["lastNotNull"], "values": False}, "colorMode": "value", "graphMode": "none"}
    if panel.form in ("lines", "stacked"):
        return {
            "legend": {"displayMode": "table", "placement": "bottom", "calcs": ["lastNotNull", "max"]},
            "tooltip": {"mode": "multi", "sort": "desc"},
        }
    return {"showHeader": True} if panel.form == "table" else {"showValue": "never", "mergeValues": True}


def _variables() -> Iterator[dict[str, Any]]:
    yield {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", "hide": 0}
    for name, label, query in (
        ("job", "Job", "label_values(gateway_build_info, job)"),
        ("instance", "Process", 'label_values(gateway_build_info{job=~"$job"}, instance)'),
    ):
        yield {
            "name": name, "label": label, "type": "query", "datasource": SOURCE, "definition": query, "refresh": 2,
            "query": {"query": query, "refId": name}, "includeAll": True, "multi": True, "allValue": ".*",
            "current": {"text": ["All"], "value": ["$__all"]}, "hide": 0, "sort": 1,
        }  # fmt: skip


def _reloads() -> dict[str, Any]:
    return {
        "name": "Reloads", "datasource": SOURCE, "enable": True, "iconColor": "blue",
        "titleFormat": "another configuration",
        "expr": 'changes(gateway_config_generation{job=~"$job",instance=~"$instance"}[1m]) > 0',
    }  # fmt: skip


def _place(x: int, y: int, width: int, height: int) -> dict[str, int]:
    return {"x": x, "y": y, "w": width, "h": height}
