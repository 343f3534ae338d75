"""Every generated file of deploy/ with its content."""

from __future__ import annotations

import json
from typing import Any

import yaml

from scripts.monitoring.alerts import groups
from scripts.monitoring.families import families
from scripts.monitoring.grafana import dashboard
from scripts.monitoring.panels import DASHBOARDS

SAID = "# Written by `make dashboards` from scripts/monitoring/alerts.py.\n"
GRAFANA = "deploy/grafana/dashboards"
RULES = "deploy/prometheus/alerts.yaml"
KUBERNETES = "deploy/kubernetes/monitoring/prometheusrule.yaml"


def files() -> dict[str, str]:
    """Return name below the project -> text."""
    known = families()
    rule = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "ai-service-gateway"},
        "spec": groups(),
    }
    boards = {
        f"{GRAFANA}/{one.name}.json": json.dumps(dashboard(one, known), indent=1, ensure_ascii=False) + "\n"
        for one in DASHBOARDS
    }
    return {
        **boards,
        RULES: SAID + _yaml(groups()),
        KUBERNETES: SAID + _yaml(rule),
    }


def _yaml(value: Any) -> str:
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=130)
