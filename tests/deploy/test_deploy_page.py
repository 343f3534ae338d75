"""What docs/deploy.md says to paste names what there is; what can run here is run by the tests beside this one."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import yaml

from tests.deploy.dockerfile import instructions
from tests.deploy.given import DEPLOY
from tests.harness import ROOT
from tests.test_project import make_targets

PAGE = (ROOT / "docs" / "deploy.md").read_text()
BLOCKS = re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
LINES = [line for block in BLOCKS for line in block.splitlines() if line]
WRITTEN = {"deploy/kubernetes/overlays/mine"}  # the page has the reader make it
PROGRAMS = {
    "docker",
    "deploy/compose/make-secrets",
    "curl",
    "kubectl",
    "helm",
    "promtool",
    "cp",
    "install",
    "systemctl",
}
PROGRAMS |= {"python3", "/opt/ai-service-gateway/bin/pip"}


@pytest.mark.parametrize("line", LINES)
def test_a_line_names_what_there_is(line: str) -> None:
    words = shlex.split(line, comments=True)
    assert words[0] in PROGRAMS or words[0].startswith("KEY=")
    for name in re.findall(r"(?<![\w/])(?:deploy|requirements)/[\w./-]+", line):
        assert (ROOT / name).exists() or name in WRITTEN or "/secrets/" in name, name
    if words[0] == "cp":
        for source in words[1:-1]:
            assert source == "-r" or (ROOT / source).exists(), source


def test_what_is_set_on_the_command_line_is_there_to_be_set() -> None:
    asked = [
        rest.partition("=")[0]
        for name, rest in instructions((DEPLOY / "docker/Dockerfile").read_text())
        if name == "ARG"
    ]
    assert set(re.findall(r"--build-arg (\w+)=", PAGE)) == set(asked)
    values = yaml.safe_load((DEPLOY / "helm/ai-service-gateway/values.yaml").read_text())
    for path in re.findall(r"--set(?:-file)? ([\w.]+)=", PAGE):
        found = values
        for part in path.split("."):
            assert part in found, path
            found = found[part]
    assert set(re.findall(r"`make ([a-z]+)`", PAGE)) <= make_targets()


def test_every_part_of_deploy_is_on_the_page() -> None:
    parts = {path.name for path in DEPLOY.iterdir()}
    assert {part for part in parts if f"deploy/{part}" not in PAGE} == set()
    assert len(list((DEPLOY / "grafana" / "dashboards").iterdir())) == 7, "the page says how many dashboards there are"


def test_links_of_the_page_lead_somewhere() -> None:
    for target, _, anchor in (link.partition("#") for link in re.findall(r"\]\(([^)]+)\)", PAGE)):
        file = ROOT / "docs" / target if target else Path(ROOT / "docs" / "deploy.md")
        assert file.exists(), target
        headings = {
            re.sub(r"[^\w -]", "", h).strip().lower().replace(" ", "-")
            for h in re.findall(r"^#+ (.*)$", file.read_text(), re.M)
        }
        assert not anchor or anchor in headings, (target, anchor)
