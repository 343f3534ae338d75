"""A Dockerfile's own steps, run on this machine in a folder: what an engine would do, without its base image.

Paths of the image become paths below one folder, which stays the same from stage to stage, so that a virtual
environment works after it was copied. What comes from the base image (Python, sh, install) is this machine's.
"""

from __future__ import annotations

import fnmatch
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

STEP_S = 300  # a download may take its time
# What the image's paths begin with; all else (/usr, /bin) is this machine's.
OURS = re.compile(r"(?<![\w./-])/(?=(?:src|opt|dist|etc/gateway|var/lib/gateway)\b)")
_FLAG = re.compile(r"--[a-z]+=\S+\s+")


def instructions(text: str) -> list[tuple[str, str]]:
    """Return (name, arguments) of each instruction, its lines joined."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    found = [line.strip().partition(" ") for line in joined.splitlines() if line.strip()]
    return [
        (name.upper(), " ".join(rest.split()) if name.upper() != "RUN" else rest.strip()) for name, _, rest in found
    ]


def is_ignored(name: str, patterns: list[str]) -> bool:
    """Say whether .dockerignore keeps a file of the context from the engine: the last pattern that fits decides, and
    one that fits a folder fits what is in it."""
    parts = name.split("/")
    above = ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]
    ignored = False
    for pattern in patterns:
        wanted = pattern.removeprefix("!").rstrip("/")
        tails = [tail for one in above for tail in _tails(one)] if wanted.startswith("**/") else above
        if any(_fits(one, wanted.removeprefix("**/")) for one in tails):
            ignored = not pattern.startswith("!")
    return ignored


def _tails(name: str) -> list[str]:
    parts = name.split("/")
    return ["/".join(parts[index:]) for index in range(len(parts))]


def _fits(name: str, pattern: str) -> bool:
    return name.count("/") == pattern.count("/") and fnmatch.fnmatchcase(name, pattern)


@dataclass
class Image:
    """What the last stage says of how it runs."""

    root: Path
    environ: dict[str, str] = field(default_factory=dict)
    user: str = ""
    workdir: Path = Path("/")
    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)
    healthcheck: list[str] = field(default_factory=list)
    folders: dict[str, Path] = field(default_factory=dict)  # stage -> where it lies now


def build(text: str, context: Path, root: Path, arguments: Mapping[str, str]) -> Image:
    """Run every step below `root`; raises CalledProcessError with what a step said where it fails."""
    patterns = [line for line in (context / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    (root.parent / "bin").mkdir()
    python = root.parent / "bin" / "python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    image, stage, given = Image(root), "", dict(arguments)
    base = {"PATH": f"{python.parent}:{os.environ['PATH']}", "HOME": os.environ["HOME"]}
    for name, rest in instructions(text):
        rest = _FLAG.sub("", rest) if name == "RUN" else rest
        if name == "ARG":
            key, _, default = rest.partition("=")
            given.setdefault(key, default)
        elif name == "FROM":
            folders = dict(image.folders)
            if stage:
                folders[stage] = root.rename(root.with_name(f"{root.name}.{stage}"))
            stage = rest.split(" AS ")[1] if " AS " in rest else "last"
            root.mkdir()
            image = Image(root, dict(base), folders=folders)
        elif name == "ENV":
            for key, value in (pair.split("=", 1) for pair in shlex.split(rest)):
                value = value.replace("$PATH", image.environ["PATH"])
                image.environ[key] = _below(root, value)
        elif name == "WORKDIR":
            image.workdir = Path(_below(root, rest))
            image.workdir.mkdir(parents=True, exist_ok=True)
        elif name == "COPY":
            _copy(shlex.split(rest), image, context, patterns)
        elif name == "RUN":
            _run(_below(root, rest), image, given)
        elif name == "USER":
            image.user = rest
        elif name in ("ENTRYPOINT", "CMD"):
            words = [str(word) for word in re.findall(r'"([^"]*)"', rest)]
            image.entrypoint, image.command = (words, []) if name == "ENTRYPOINT" else (image.entrypoint, words)
        elif name == "HEALTHCHECK":
            image.healthcheck = re.findall(r'"([^"]*)"', rest.split("CMD", 1)[1])
        else:
            assert name in {"LABEL", "EXPOSE", "STOPSIGNAL", "VOLUME"}, f"a step that nobody plays: {name}"
    return image


def _below(root: Path, text: str) -> str:
    return OURS.sub(f"{root}/", text)


def _run(script: str, image: Image, arguments: Mapping[str, str]) -> None:
    if os.getuid() != 0:
        script = re.sub(r" -[og] \d+", "", script)  # only root gives files away
    done = subprocess.run(
        ["sh", "-ec", script], cwd=_folder(image), env=image.environ | dict(arguments), timeout=STEP_S,
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"


def _folder(image: Image) -> Path:
    return image.workdir if image.workdir.is_dir() and image.workdir != Path("/") else image.root


def _copy(words: list[str], image: Image, context: Path, patterns: list[str]) -> None:
    *sources, target = [word for word in words if not word.startswith("--")]
    stage = next((word.removeprefix("--from=") for word in words if word.startswith("--from=")), None)
    to = Path(_below(image.root, target)) if target.startswith("/") else _folder(image) / target
    for source in sources:
        if stage is not None:
            shutil.copytree(image.folders[stage] / source.lstrip("/"), to, symlinks=True)
            continue
        path = context / source
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        taken = [file for file in files if file.is_file() and not is_ignored(str(file.relative_to(context)), patterns)]
        assert taken, f"COPY {source}: nothing, .dockerignore keeps it back"
        for file in taken:
            place = to / file.relative_to(path) if path.is_dir() else to / file.name
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file, place)
