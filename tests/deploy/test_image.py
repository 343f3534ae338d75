"""deploy/docker: the Dockerfile holds to good practice, and its steps make a gateway that serves as nobody special."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import cyclonedx
import pytest
from jsonschema import Draft7Validator
from referencing import Registry, Resource

from scripts.sbom import bill, read_lock
from tests.deploy.dockerfile import Image, build, instructions, is_ignored
from tests.deploy.given import DEPLOY
from tests.harness import ROOT, START_S
from tests.test_project import project, tracked_files

DOCKERFILE = DEPLOY / "docker" / "Dockerfile"
HADOLINT = Path(sys.executable).parent / "hadolint"
IGNORED = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
SCHEMAS = Path(cyclonedx.__file__).parent / "schema" / "_res"


def validator() -> Draft7Validator:
    """Return what holds a bill to CycloneDX' own schema, in its strictest form."""
    files = ("spdx.SNAPSHOT.schema.json", "jsf-0.82.SNAPSHOT.schema.json")
    others = [
        (f"http://cyclonedx.org/schema/{file}", Resource.from_contents(json.loads((SCHEMAS / file).read_text())))
        for file in files
    ]
    schema = json.loads((SCHEMAS / "bom-1.6.SNAPSHOT.schema.json").read_text())
    return Draft7Validator(schema, registry=Registry().with_resources(others))


@pytest.mark.skipif(not HADOLINT.exists(), reason="hadolint's wheel is for Linux on x86-64")
def test_the_linter_has_nothing_to_say() -> None:
    done = subprocess.run(
        [HADOLINT, "--failure-threshold", "style", DOCKERFILE], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout) == (0, "")
    wrong = subprocess.run(
        [HADOLINT, "-"], input="FROM python\nRUN cd /x && pip install y\n", capture_output=True, text=True
    )
    assert wrong.returncode == 1


def test_the_engine_is_given_what_the_image_is_made_of_and_no_more() -> None:
    names = [str(path.relative_to(ROOT)) for path in tracked_files()]
    given = [name for name in names if not is_ignored(name, IGNORED)]
    tops = {name.split("/")[0] for name in given}
    assert tops == {
        "LICENSE", "README.md", "docs", "gateway", "plugins", "prices.yaml", "prompts", "providers.yaml",
        "pyproject.toml", "requirements", "routes.yaml", "schemas", "scripts",
    }  # fmt: skip
    assert [name for name in given if name.startswith("scripts/")] == ["scripts/sbom.py", "scripts/wheel.py"]
    for secret in (
        ".env",
        "gateway/.env",
        "data/gateway.db",
        "gateway/x.db",
        ".git/config",
        "plugins/__pycache__/a.pyc",
    ):
        assert is_ignored(secret, IGNORED), secret


def test_the_image_runs_as_a_number_and_installs_by_hash_alone() -> None:
    steps = instructions(DOCKERFILE.read_text())
    assert [rest for name, rest in steps if name == "USER"] == ["10001:10001"]
    assert [rest for name, rest in steps if name == "FROM"][-1] == "${PYTHON_IMAGE}", "the last stage begins anew"
    installs = re.findall(
        r"pip --python \S+ install (.*?)(?:&&|$)", "\n".join(rest for name, rest in steps if name == "RUN"), re.M
    )
    assert len(installs) == 3
    for flags in installs:
        assert "--require-hashes" in flags or "--no-index" in flags
        assert "--no-deps" in flags


def test_the_bill_of_materials_is_valid_and_has_every_package_of_the_lock() -> None:
    lock = (ROOT / "requirements" / "full.txt").read_text()
    found = bill(lock, project()["project"])
    assert [error.message for error in validator().iter_errors(found)] == []
    assert list(validator().iter_errors(found | {"bomFormat": "mine"}))
    names = {component["name"] for component in found["components"]}
    locked = {pin["name"] for pin in read_lock(lock).values() if not _is_elsewhere(pin["marker"])}
    assert names == locked, "what is installed beside this test is not what is locked: make test"
    without = {component["name"] for component in found["components"] if "licenses" not in component}
    assert without == set(), "a package of which nobody knows under what it may be used"
    refs = {component["bom-ref"] for component in found["components"]}
    assert all(set(each["dependsOn"]) <= refs for each in found["dependencies"])
    assert found == bill(lock, project()["project"]), "the same lock, the same bill"
    hashes = [each["value"] for each in found["components"][0]["properties"]]
    assert hashes
    assert all(f"--hash=sha256:{sha256}" in lock for sha256 in hashes)


def _is_elsewhere(marker: str) -> bool:
    from packaging.markers import Marker

    return bool(marker) and not Marker(marker).evaluate()


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="gateway-image-"))
    made.chmod(0o755)  # the user of the image looks for its folder for temporary files
    try:
        yield made
    finally:
        subprocess.run(["chmod", "-R", "u+w", made], check=True)
        shutil.rmtree(made)


def as_its_user(image: Image, *words: str) -> list[str]:
    """Return the words as the image's user runs them. Who is root becomes that user, who may read what root has on this
    machine (its Python may lie in a home) and write only what is his own."""
    if os.getuid() != 0:
        return list(words)
    user, group = image.user.split(":")
    caps = (
        "--inh-caps=-all,+dac_read_search",
        "--ambient-caps=+dac_read_search",
        "--bounding-set=-all,+dac_read_search",
    )
    return ["setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups", "--no-new-privs", *caps, *words]


@pytest.mark.slow
@pytest.mark.timeout(300)  # it downloads what the image downloads, where pip has not kept it
async def test_its_own_steps_make_a_gateway_that_serves_and_writes_nowhere_but_in_its_state(folder: Path) -> None:
    root = folder / "image"
    image = await asyncio.to_thread(build, DOCKERFILE.read_text(), ROOT, root, {"REQUIREMENTS": "core"})
    assert (image.user, image.entrypoint, image.command) == ("10001:10001", ["gateway"], ["run", "--watch"])
    assert image.healthcheck == ["gateway", "healthcheck"]
    made = json.loads((root / "opt/gateway/sbom.cdx.json").read_text())
    assert [error.message for error in validator().iter_errors(made)] == []
    assert {component["name"] for component in made["components"]} >= {"aiohttp", "orjson"}
    assert not list((root / "opt/gateway").rglob("pip/__init__.py")), "what serves can install nothing"

    for part in ("opt", "etc"):
        subprocess.run(["chmod", "-R", "a-w", root / part], check=True)
    tmp = folder / "tmp"
    tmp.mkdir()
    tmp.chmod(0o1777)
    environ = image.environ | {"GATEWAY_LISTEN": "127.0.0.1:0", "HOME": "/nonexistent", "TMPDIR": str(tmp)}
    environ |= {"XDG_RUNTIME_DIR": str(tmp), "API_KEYS": "web:a-key-of-some-length"}
    gateway = image.environ["PATH"].split(":")[0] + "/gateway"
    touched = subprocess.run(as_its_user(image, "touch", str(root / "opt/gateway/new")), capture_output=True)
    assert touched.returncode != 0, "the code can be written by who runs it"
    before = files_of(root)
    child = await asyncio.create_subprocess_exec(
        *as_its_user(image, gateway, *image.command), env=environ, cwd=image.workdir, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert child.stdout is not None
        async with asyncio.timeout(START_S):
            while b"serves at" not in (line := await child.stdout.readline()):
                assert line, f"it did not start; its exit code is {await child.wait()}"
        asked = await asyncio.create_subprocess_exec(
            *as_its_user(image, gateway, *image.healthcheck[1:]),
            env=environ,
            cwd=image.workdir,
            stdout=asyncio.subprocess.PIPE,
        )
        out, _ = await asked.communicate()
        assert (asked.returncode, out.decode().startswith("ready: ")) == (0, True), out
        new = files_of(root) - before
        assert new, "the ledger is somewhere"
        assert all(name.startswith("var/lib/gateway/") for name in new), new
        child.terminate()
        assert await child.wait() == 0
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    stopped = subprocess.run(
        as_its_user(image, gateway, "healthcheck"), env=environ, cwd=image.workdir, capture_output=True
    )
    assert stopped.returncode == 1


def files_of(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
