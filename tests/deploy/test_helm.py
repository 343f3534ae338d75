"""deploy/helm, rendered by Helm's own code: valid, and deploy/kubernetes where nothing else is asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from gateway.config.model import Config
from tests.deploy import manifests as rules
from tests.deploy.given import DEPLOY
from tests.deploy.manifests import Manifest, of_kind, parsed
from tests.deploy.test_kubernetes import KUBECTL, built
from tests.harness import ROOT

helm = pytest.importorskip("helm_python", reason="Helm's wheel is for Linux on x86-64")

CHART = DEPLOY / "helm" / "ai-service-gateway"
SCHEMA = json.loads((CHART / "values.schema.json").read_text())
ALL = {
    "monitoring": {"serviceMonitor": True, "alerts": True, "dashboards": True, "labels": {"release": "prometheus"}},
    "ingress": {"enabled": True, "host": "ai.example.com", "tlsSecret": "tls", "className": "nginx"},
    "env": [{"name": "OPENAI_BASE_URL", "value": "https://eu.example.com/v1"}],
    "imagePullSecrets": [{"name": "pull"}],
    "podAnnotations": {"team": "voice"},
    "nodeSelector": {"pool": "ai"},
    "tolerations": [{"key": "ai", "operator": "Exists"}],
}


@pytest.fixture(scope="module")
def chart() -> Iterator[Any]:
    with helm.Chart.load(CHART) as loaded:
        yield loaded


def rendered(chart: Any, values: dict[str, Any], name: str = "ai-service-gateway") -> list[Manifest]:
    texts = chart.render(values, name=name, namespace="ai")
    return [each for path, text in texts.items() if path.endswith(".yaml") for each in parsed(text)]


@pytest.mark.parametrize(("name", "values"), [("ai-service-gateway", {}), ("demo", ALL)])
def test_what_it_renders_is_valid_and_fits_together(
    chart: Any, name: str, values: dict[str, Any], deployed: Config
) -> None:
    manifests = rendered(chart, values, name)
    rules.assert_valid(manifests)
    rules.assert_fits_together(manifests)
    rules.assert_changes_need_no_restart(manifests)
    rules.assert_stops_without_a_cut(manifests, deployed)
    rules.assert_probes_ask_what_there_is(manifests)
    rules.assert_may_do_little(manifests)
    rules.assert_secret_has_what_is_read(of_kind(manifests, "Secret")["stringData"])


def test_helm_finds_nothing_to_complain_of(tmp_path: Path) -> None:
    found = helm.lint(CHART, strict=True)
    assert [each for each in found["messages"] if "icon" not in each["error"]] == []
    (tmp_path / "Chart.yaml").write_text((CHART / "Chart.yaml").read_text().replace("version: 0.1.0", "version: one"))
    assert helm.lint(tmp_path, strict=True)["errors"]


@pytest.mark.skipif(not KUBECTL.exists(), reason="kubectl's wheel is for Linux on x86-64")
def test_its_pods_are_those_of_kustomize(chart: Any) -> None:
    theirs, ours = built("base"), rendered(chart, {})

    def told(manifests: Sequence[Manifest]) -> dict[str, Any]:
        spec = deepcopy(of_kind(manifests, "Deployment")["spec"]["template"]["spec"])
        spec["topologySpreadConstraints"][0].pop("labelSelector")  # Helm's has its release in it
        return {
            "pod": spec,
            "files": of_kind(manifests, "ConfigMap")["data"],
            "scaling": of_kind(manifests, "HorizontalPodAutoscaler")["spec"],
            "network": {key: of_kind(manifests, "NetworkPolicy")["spec"][key] for key in ("ingress", "egress")},
        }

    assert told(ours) == told(theirs)


def test_a_value_that_nobody_knows_or_that_cannot_be_is_refused(chart: Any) -> None:
    for values, named in (
        ({"replica": 3}, "replica"),
        ({"autoscaling": {"minReplicas": 0}}, "minReplicas"),
        ({"service": {"type": "Balancer"}}, "type"),
        ({"secrets": {"entries": {"a key": "x"}}}, "a key"),
    ):
        with pytest.raises(helm.HelmValuesError, match=named):
            chart.validate_schema(values)
    chart.validate_schema(ALL)
    with pytest.raises(helm.HelmError, match=r"ingress\.host"):
        chart.render({"ingress": {"enabled": True}}, name="demo")


def test_every_value_has_its_line_in_the_schema(chart: Any) -> None:
    def walk(values: dict[str, Any], schema: dict[str, Any], where: str) -> None:
        for name, value in values.items():
            assert name in schema["properties"], f"{where}{name}"
            known = schema["properties"][name]
            assert known["description"], f"{where}{name}"
            if isinstance(value, dict) and "properties" in known:
                walk(value, known, f"{where}{name}.")

    walk(chart.values, SCHEMA, "")


def test_values_change_what_they_say(chart: Any) -> None:
    values = {
        "secrets": {"existing": "mine"},
        "config": {"routes": "version: 1\n", "providers": "version: 1\nproviders: {}\n"},
        "autoscaling": {"enabled": False},
        "replicas": 4,
        "stop": {"preStopSeconds": 10, "graceSeconds": 20, "shutdownSeconds": 600},
        "networkPolicy": {"enabled": False},
        "image": {"repository": "registry.example.com/mine", "tag": "1.2.3"},
    }
    manifests = rendered(chart, values)
    kinds = {manifest["kind"] for manifest in manifests}
    assert kinds == {"ConfigMap", "Deployment", "PodDisruptionBudget", "Service", "ServiceAccount"}
    deployment = of_kind(manifests, "Deployment")["spec"]
    assert deployment["replicas"] == 4
    spec = deployment["template"]["spec"]
    assert spec["terminationGracePeriodSeconds"] == 10 + 20 + 600 + 10
    assert spec["containers"][0]["image"] == "registry.example.com/mine:1.2.3"
    assert {"name": "secrets", "secret": {"secretName": "mine", "defaultMode": 0o440}} in spec["volumes"]
    assert of_kind(manifests, "ConfigMap")["data"] == {
        "routes.yaml": "version: 1\n",
        "providers.yaml": "version: 1\nproviders: {}\n",
    }


def test_what_watches_it_goes_by_the_job_of_alerts_and_dashboards(chart: Any) -> None:
    manifests = rendered(chart, ALL, "demo")
    monitor, service = of_kind(manifests, "ServiceMonitor"), of_kind(manifests, "Service")
    assert service["metadata"]["labels"][monitor["spec"]["jobLabel"]] == "ai-service-gateway"
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    (boards,) = [each for each in manifests if each["metadata"]["name"].endswith("-dashboards")]
    assert boards["data"] == {path.name: path.read_text() for path in (DEPLOY / "grafana/dashboards").iterdir()}
    rule = of_kind(manifests, "PrometheusRule")["spec"]
    assert rule == parsed((DEPLOY / "prometheus" / "alerts.yaml").read_text())[0]


def test_the_chart_is_of_the_projects_version(chart: Any) -> None:
    project = (ROOT / "pyproject.toml").read_text()
    assert f'version = "{chart.metadata["appVersion"]}"' in project
