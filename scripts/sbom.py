"""Writes what a lock installs as a bill of materials, CycloneDX 1.6 in JSON: scripts/sbom.py requirements/full.txt

Versions and hashes are those of the lock; licences and who needs whom are those of the packages that are installed
beside the interpreter that runs this. The same lock gives the same text: no time and no random number is in it.
https://cyclonedx.org/docs/1.6/json/ (April 2024)
"""

from __future__ import annotations

import json
import platform
import re
import sys
import tomllib
import uuid
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
SPACE = uuid.UUID("6c1f6a52-6f0c-5f0e-9f5e-6b1d6f1f6f10")  # of serial numbers made here; any fixed one would do
MAX_LICENCE_CHARS = 80  # some packages put the whole text where a name belongs

UNTOLD = {"espeakng-loader": "GPL-3.0-or-later"}  # its wheel is silent; eSpeak NG within it is under this one

_PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^ ;\\]+)(?: *; *(?P<marker>.*?))?(?: *\\)?$")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


def read_lock(text: str) -> dict[str, dict[str, Any]]:
    """Return name@version -> {name, version, marker, hashes} of what a lock pins; a name may be there twice."""
    found: dict[str, dict[str, Any]] = {}
    last: dict[str, Any] | None = None
    for line in text.splitlines():
        if pin := _PIN.match(line):
            last = {"name": pin["name"], "version": pin["version"], "marker": pin["marker"] or "", "hashes": []}
            found[f"{normal(pin['name'])}@{pin['version']}"] = last
        elif (sha256 := _HASH.search(line)) and last is not None:
            last["hashes"].append(sha256[1])
    return found


def bill(text: str, project: dict[str, Any]) -> dict[str, Any]:
    """Return the bill of a lock for a project, as `[project]` of pyproject.toml has it."""
    locked = read_lock(text)
    pins = {key: pin for key, pin in locked.items() if _is_here(pin)}
    root = f"pkg:generic/{project['name']}@{project['version']}"
    by_name = {normal(pin["name"]): purl(pin) for pin in pins.values()}
    extras = project.get("optional-dependencies", {}).values()
    direct = {_name_in(each) for each in [*project["dependencies"], *(each for extra in extras for each in extra)]}
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(SPACE, platform.machine() + platform.python_version() + text)}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": root,
                "name": project["name"],
                "version": project["version"],
                "description": project["description"],
                "licenses": [{"license": {"id": project["license"]}}],
            }
        },
        "components": [_component(pin) for _, pin in sorted(pins.items())],
        "dependencies": [
            {"ref": root, "dependsOn": sorted(ref for name, ref in by_name.items() if name in direct)},
            *(
                {"ref": purl(pin), "dependsOn": sorted(by_name[name] for name in _needs(pin, by_name))}
                for _, pin in sorted(pins.items())
            ),
        ],
    }


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def purl(pin: dict[str, Any]) -> str:
    return f"pkg:pypi/{normal(pin['name'])}@{pin['version']}"


def _is_here(pin: dict[str, Any]) -> bool:
    """Whether it is what this interpreter has; a lock is for several platforms and Pythons."""
    found = _installed(pin["name"])
    return found is not None and found.version == pin["version"]


def _component(pin: dict[str, Any]) -> dict[str, Any]:
    component = {
        "type": "library",
        "bom-ref": purl(pin),
        "name": pin["name"],
        "version": pin["version"],
        "purl": purl(pin),
        # One of these is the file that was installed; which one depends on the platform.
        "properties": [{"name": "lock:sha256", "value": sha256} for sha256 in sorted(pin["hashes"])],
    }
    licence = _licence(pin["name"])
    if licence is not None:
        component["licenses"] = [licence]
    return component


def _licence(name: str) -> dict[str, Any] | None:
    found = _installed(name)
    if found is None:
        return None
    if told := UNTOLD.get(normal(name)):
        return {"license": {"id": told}}
    about = found.metadata
    if "License-Expression" in about:
        return {"expression": about["License-Expression"]}
    classifiers = about.get_all("Classifier") or []
    classified = [each.rpartition(" :: ")[2] for each in classifiers if each.startswith("License ::")]
    named = " or ".join(classified) or (about.get_all("License") or [""])[0].strip()
    return {"license": {"name": named.splitlines()[0][:MAX_LICENCE_CHARS]}} if named else None


def _needs(pin: dict[str, Any], by_name: dict[str, str]) -> list[str]:
    """Return the names that it asks for, of those that are here; for which extra does not matter."""
    found = _installed(pin["name"])
    asked = {_name_in(each) for each in (found.requires or [])} if found else set()
    return sorted((asked & set(by_name)) - {normal(pin["name"])})


def _name_in(requirement: str) -> str:
    return normal(re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0])


def _installed(name: str) -> Distribution | None:
    try:
        return distribution(name)
    except PackageNotFoundError:
        return None


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: scripts/sbom.py requirements/full.txt")
    about = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    print(json.dumps(bill(Path(sys.argv[1]).read_text(), about), indent=1, ensure_ascii=False))
