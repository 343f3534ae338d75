"""What holds for a gateway in Kubernetes, however its manifests were made."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import kubernetes_validate
import pytest
import yaml

from gateway.config.model import Config
from gateway.server.builtin import BUILTINS
from tests.deploy.given import CONFIG, longest_call_s, secrets_named, stop_s

OLDEST, NEWEST = "1.30", "1.37"  # the oldest that preStop's `sleep` is on by default in, and the newest with a schema
# Kinds of the Prometheus operator, of which Kubernetes has no schema.
OPERATORS = {"ServiceMonitor", "PrometheusRule"}
FULL_SWEEP_S = 5  # kube-proxy and ingress controllers hear of a pod's end within seconds

Manifest = dict[str, Any]


def parsed(text: str) -> list[Manifest]:
    return [each for each in yaml.safe_load_all(text) if each]


def of_kind(manifests: Iterable[Manifest], kind: str) -> Manifest:
    """Return the one of this kind; of ConfigMaps the one that is no dashboards."""
    (found,) = [m for m in manifests if m["kind"] == kind and not m["metadata"]["name"].endswith("-dashboards")]
    return found


def assert_valid(manifests: Sequence[Manifest]) -> None:
    """Hold each to Kubernetes' schema, in which a key that nobody knows is an error."""
    assert manifests
    for manifest in manifests:
        if manifest["kind"] not in OPERATORS:
            kubernetes_validate.validate(manifest, NEWEST, strict=True)
    kubernetes_validate.validate(of_kind(manifests, "Deployment"), OLDEST, strict=True)
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(of_kind(manifests, "Service") | {"specs": {}}, NEWEST, strict=True)


def assert_fits_together(manifests: Sequence[Manifest]) -> None:
    """Selectors find the pods, ports and names are there, and what is mounted is what is read."""
    deployment = of_kind(manifests, "Deployment")
    pod = deployment["spec"]["template"]
    (container,) = pod["spec"]["containers"]
    labels = pod["metadata"]["labels"]
    ports = {port["name"] for port in container["ports"]}
    assert container["ports"] == [{"name": "http", "containerPort": 8001}]
    for selector in (
        deployment["spec"]["selector"]["matchLabels"],
        of_kind(manifests, "Service")["spec"]["selector"],
        of_kind(manifests, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        of_kind(manifests, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
        pod["spec"]["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"],
    ):
        assert selector
        assert selector.items() <= labels.items()
    assert of_kind(manifests, "Service")["spec"]["ports"][0]["targetPort"] in ports
    policy = of_kind(manifests, "NetworkPolicy")["spec"]
    assert policy["ingress"][0]["ports"] == [{"port": "http"}]
    assert policy["egress"][0]["to"][0]["podSelector"] == {"matchLabels": {"k8s-app": "kube-dns"}}
    target = of_kind(manifests, "HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == ("Deployment", deployment["metadata"]["name"])
    assert "replicas" not in deployment["spec"], "an apply would take back what the autoscaler did"
    assert pod["spec"]["serviceAccountName"] == of_kind(manifests, "ServiceAccount")["metadata"]["name"]


def assert_changes_need_no_restart(manifests: Sequence[Manifest]) -> None:
    """The files are a volume that Kubernetes swaps below the pod, under one name, and the gateway watches it."""
    files = of_kind(manifests, "ConfigMap")
    spec = of_kind(manifests, "Deployment")["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    assert container["args"] == ["run", "--watch"]
    mounts = {mount["name"]: mount for mount in container["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    assert set(mounts) == set(volumes)
    assert mounts["config"]["mountPath"] == "/etc/gateway"
    assert mounts["secrets"]["mountPath"] == "/run/secrets"
    assert not any("subPath" in mount for mount in mounts.values()), "of a subPath a change is never seen"
    assert volumes["config"]["configMap"]["name"] == files["metadata"]["name"]
    assert files["data"] == {name: (CONFIG / name).read_text() for name in ("routes.yaml", "providers.yaml")}


def assert_stops_without_a_cut(manifests: Sequence[Manifest], given: Config) -> None:
    """preStop + shutdown_grace_s + shutdown_s + 1 fit into the grace period, and the longest call into shutdown_s."""
    spec = of_kind(manifests, "Deployment")["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    pre_stop_s = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pre_stop_s >= FULL_SWEEP_S
    assert given.server.shutdown_s >= longest_call_s(given)
    assert spec["terminationGracePeriodSeconds"] >= pre_stop_s + stop_s(given)
    ready = container["readinessProbe"]
    assert given.server.shutdown_grace_s > ready["periodSeconds"] * ready["failureThreshold"]


def assert_probes_ask_what_there_is(manifests: Sequence[Manifest]) -> None:
    (container,) = of_kind(manifests, "Deployment")["spec"]["template"]["spec"]["containers"]
    probes = {name: container[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "liveness", "readiness")}
    assert probes == {"startup": "/health/live", "liveness": "/health/live", "readiness": "/health/ready"}
    assert set(probes.values()) <= set(BUILTINS)


def assert_may_do_little(manifests: Sequence[Manifest]) -> None:
    spec = of_kind(manifests, "Deployment")["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    writable = {volume["name"] for volume in spec["volumes"] if "emptyDir" in volume}
    read_only = {mount["name"] for mount in container["volumeMounts"] if mount.get("readOnly")}
    assert writable | read_only == {mount["name"] for mount in container["volumeMounts"]}


def assert_secret_has_what_is_read(entries: dict[str, str]) -> None:
    assert set(entries) == secrets_named()
    assert all(re.fullmatch(r"[-._a-zA-Z0-9]+", name) for name in entries)
