"""Each alert fires where it should and is quiet where it should be, as Prometheus' own promtool evaluates it."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts.monitoring.alerts import ALERTS, RUNBOOK, Alert
from scripts.monitoring.families import families
from tests.deploy.alert_cases import CASES, Series
from tests.deploy.given import DEPLOY
from tests.harness import ROOT

RULES = DEPLOY / "prometheus" / "alerts.yaml"


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["promtool", *arguments], capture_output=True, text=True, timeout=60)


def expected(alert: Alert) -> dict[str, Any]:
    case = CASES[alert.name]
    told = {"summary": case.summary, "description": alert.description}
    return {
        "exp_labels": dict(case.labels) | {"severity": alert.severity},
        "exp_annotations": told | {"runbook_url": f"{RUNBOOK}#{alert.name.lower()}"},
    }


def write_tests(folder: Path, alert: Alert, quiet: list[dict[str, Any]]) -> Path:
    """Write what `promtool test rules` reads: that it fires, and what is expected where it should not; return where.
    Its rule is alone in a file, so that the others are not evaluated each time."""
    case = CASES[alert.name]
    (rule,) = (rule for rule in yaml.safe_load(RULES.read_text())["groups"][0]["rules"] if rule["alert"] == alert.name)
    rules = folder / f"{alert.name}.rules.yaml"
    rules.write_text(yaml.safe_dump({"groups": [{"name": "one", "rules": [rule]}]}))

    def test(series: Series, expects: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "interval": f"{case.minutes}m",
            "input_series": [{"series": name, "values": values} for name, values in series.items()],
            "alert_rule_test": [{"eval_time": case.at, "alertname": alert.name, "exp_alerts": expects}],
        }

    path = folder / f"{alert.name}.yaml"
    text = yaml.safe_dump(
        {
            "rule_files": [str(rules)],
            "evaluation_interval": f"{case.minutes}m",
            "tests": [test(case.fires, [expected(alert)]), test(case.quiet, quiet)],
        }
    )
    path.write_text(text)
    return path


@pytest.mark.slow
def test_each_alert_fires_and_is_quiet_as_it_should(tmp_path: Path) -> None:
    assert [alert.name for alert in ALERTS] == list(CASES)
    done = promtool("test", "rules", *(write_tests(tmp_path, alert, []) for alert in ALERTS))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("SUCCESS") == len(ALERTS)


def test_a_wrong_expectation_is_seen(tmp_path: Path) -> None:
    done = promtool("test", "rules", write_tests(tmp_path, ALERTS[0], [expected(ALERTS[0])]))
    assert done.returncode == 1


def test_prometheus_takes_the_rules_and_what_it_is_configured_by() -> None:
    for command in (("check", "rules", RULES), ("check", "config", DEPLOY / "prometheus" / "prometheus.yaml")):
        done = promtool(*command)
        assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_asks_for_what_there_is() -> None:
    known = families()
    for alert in ALERTS:
        asked = set(re.findall(r"\b(?:gateway|process)_[a-z_]+", alert.expr))
        found = {
            name for name in alert.families for sample in (known[name].sample, f"{name}_bucket") if sample in asked
        }
        assert found == set(alert.families), alert.name
        assert len(asked) == len(found), (alert.name, asked)
        labels = {label for name in alert.families for label in known[name].labels} | {"job", "instance", "le"}
        assert set(re.findall(r'([a-z_]+)=~?"', alert.expr)) <= labels, alert.name
        assert set(re.findall(r"\$labels\.([a-z_]+)", alert.summary)) <= labels, alert.name


def test_each_alert_says_what_to_do() -> None:
    headings = re.findall(r"^#+ (.*)$", (ROOT / RUNBOOK).read_text(), re.MULTILINE)
    assert {alert.name for alert in ALERTS} <= set(headings)
    for rule in yaml.safe_load(RULES.read_text())["groups"][0]["rules"]:
        assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
        assert rule["labels"]["severity"] in ("page", "ticket")
    assert len(json.dumps([alert.name for alert in ALERTS if alert.severity == "page"])) < 200, (
        "who is woken too often sleeps"
    )
