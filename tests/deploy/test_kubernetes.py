"""deploy/kubernetes, as `kubectl kustomize` makes it, held to Kubernetes' own schemas."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from gateway.config.model import Config
from tests.deploy import manifests as rules
from tests.deploy.given import DEPLOY
from tests.deploy.manifests import Manifest, of_kind, parsed

KUSTOMIZE = DEPLOY / "kubernetes"
KUBECTL = Path(sys.executable).parent / "kubectl"

pytestmark = pytest.mark.skipif(not KUBECTL.exists(), reason="kubectl's wheel is for Linux on x86-64")


@cache
def built(folder: str) -> tuple[Manifest, ...]:
    done = subprocess.run([KUBECTL, "kustomize", KUSTOMIZE / folder], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "", "something that it reads is no longer wanted"
    return tuple(parsed(done.stdout))


@pytest.fixture(params=["base", "overlays/example"])
def manifests(request: pytest.FixtureRequest) -> tuple[Manifest, ...]:
    return built(request.param)


def test_each_manifest_is_valid(manifests: tuple[Manifest, ...]) -> None:
    rules.assert_valid(manifests)


def test_names_selectors_and_ports_fit_together(manifests: tuple[Manifest, ...]) -> None:
    rules.assert_fits_together(manifests)


def test_a_change_of_the_files_needs_no_restart(manifests: tuple[Manifest, ...]) -> None:
    rules.assert_changes_need_no_restart(manifests)


def test_no_stream_is_cut_when_a_pod_stops(manifests: tuple[Manifest, ...], deployed: Config) -> None:
    rules.assert_stops_without_a_cut(manifests, deployed)


def test_probes_ask_what_there_is(manifests: tuple[Manifest, ...]) -> None:
    rules.assert_probes_ask_what_there_is(manifests)


def test_a_pod_may_do_little(manifests: tuple[Manifest, ...]) -> None:
    rules.assert_may_do_little(manifests)


def test_the_secret_to_fill_in_has_what_the_files_read() -> None:
    secret = yaml.safe_load((KUSTOMIZE / "secret.example.yaml").read_text())
    kubernetes_validate.validate(secret, rules.NEWEST, strict=True)
    rules.assert_secret_has_what_is_read(secret["stringData"])
    volumes = of_kind(built("base"), "Deployment")["spec"]["template"]["spec"]["volumes"]
    assert [each["secret"]["secretName"] for each in volumes if "secret" in each] == [secret["metadata"]["name"]]
    assert "Secret" not in {manifest["kind"] for manifest in built("overlays/example")}, (
        "an apply would write over keys"
    )


def test_the_overlay_changes_what_it_says_and_is_watched() -> None:
    base, overlay = built("base"), built("overlays/example")
    assert {manifest["metadata"]["namespace"] for manifest in overlay} == {"ai"}
    (container,) = of_kind(overlay, "Deployment")["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "registry.example.com/team/ai-service-gateway:0.1.0"
    assert of_kind(base, "HorizontalPodAutoscaler")["spec"]["minReplicas"] == 2
    assert of_kind(overlay, "HorizontalPodAutoscaler")["spec"]["minReplicas"] == 3

    monitor, service = of_kind(overlay, "ServiceMonitor"), of_kind(overlay, "Service")
    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert [each["port"] for each in monitor["spec"]["endpoints"]] == [service["spec"]["ports"][0]["name"]]
    assert service["metadata"]["labels"][monitor["spec"]["jobLabel"]] == "ai-service-gateway"  # what alerts go by
    alerts = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yaml").read_text())
    assert of_kind(overlay, "PrometheusRule")["spec"] == alerts
    (boards,) = [each for each in overlay if each["metadata"]["name"].endswith("-dashboards")]
    assert boards["data"] == {path.name: path.read_text() for path in (DEPLOY / "grafana/dashboards").iterdir()}
