"""`gateway init`: what it writes is sound without a warning, serves, and overwrites nothing."""

from __future__ import annotations

import asyncio
import os
import pty
import re
import stat
import sys
from pathlib import Path

import aiohttp
import pytest
import yaml

from gateway.cli.starter import Bundled, Wanted, providers_yaml, routes_yaml, variables
from gateway.config.files import Files
from gateway.config.load import read
from tests.cli.calling import call
from tests.harness import ROOT, process

SOURCE = Bundled.read()
VENDORS = [vendor.name for vendor in SOURCE.vendors()]
SETS = [(), ("azure",), ("google-stt-v2", "ollama"), ("lmstudio", "elevenlabs", "groq", "polly"), tuple(VENDORS)]


@pytest.mark.parametrize("wanted", SETS, ids=lambda names: "+".join(names)[:40] or "none")
def test_whichever_vendors_are_wanted_the_files_are_sound(tmp_path: Path, wanted: tuple[str, ...]) -> None:
    (tmp_path / "providers.yaml").write_text(providers_yaml(SOURCE, Wanted(wanted)))
    (tmp_path / "routes.yaml").write_text(routes_yaml(SOURCE, Wanted(wanted)))
    (tmp_path / "prompts").symlink_to(ROOT / "prompts")
    files = Files(tmp_path / "routes.yaml", tmp_path / "providers.yaml")
    environ = {
        name: "https://vendor.test/v1" if name.endswith("URL") else "value" for name in variables(SOURCE, wanted)
    }
    readings = [read(files, given) for given in ({}, environ)]
    for reading in readings:
        assert [str(problem) for problem in reading.problems if problem.severity == "error"] == []
    config = readings[-1].config
    assert config is not None
    on = {name for name, provider in config.providers.items() if provider.off_reason is None}
    unmet = {name for name in wanted if name not in on}
    assert unmet <= {"google-stt-v2"}, "with its variables set a vendor is on; that one's is no key's JSON"
    names = set(yaml.safe_load((tmp_path / "providers.yaml").read_text())["providers"])
    assert names == {*wanted, "local-tts", "local-stt", "sandbox"}
    assert "#" in (tmp_path / "providers.yaml").read_text()


def test_each_vendor_serves_what_it_can_by_the_models_that_clients_ask_for() -> None:
    for vendor in SOURCE.vendors():
        models = yaml.safe_load(routes_yaml(SOURCE, Wanted((vendor.name,))))["models"]
        served = {
            row["operation"]
            for row in models.values()
            if any(one.startswith(f"{vendor.name}/") for one in row["targets"])
        }
        assert served == set(vendor.operations) or vendor.name == "google-stt-v2", vendor


def test_vectors_come_from_one_vendor_alone() -> None:
    models = yaml.safe_load(routes_yaml(SOURCE, Wanted(tuple(VENDORS))))["models"]
    vendors = {target.split("/")[0] for target in models["embed"]["targets"]} - {"sandbox"}
    assert len(vendors) == 1


@pytest.mark.slow
async def test_what_is_written_serves_every_operation(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "place"
    done = call("init", folder, "--provider", "openai", "--listen", "127.0.0.1:0")
    assert done.status == 0, done.err
    assert done.lines[-1] == f"next: gateway run {folder}"
    assert "OPENAI_API_KEY" in done.lines[1]
    assert stat.S_IMODE((folder / ".env").stat().st_mode) == 0o600
    assert (folder / ".gitignore").read_text().splitlines()[0] == ".env"
    providers, routes = ((folder / name).read_text() for name in ("providers.yaml", "routes.yaml"))
    async with process(folder, providers, routes) as gateway, aiohttp.ClientSession(gateway.url) as http:
        asked = {"model": "fast", "messages": [{"role": "user", "content": "Hello!"}]}
        async with http.post("/v1/chat/completions", json=asked) as answer:
            assert "Hello!" in (await answer.json())["choices"][0]["message"]["content"]
        async with http.post("/v1/audio/speech", json={"input": "Hello.", "voice": "narrator"}) as answer:
            assert (answer.status, answer.content_type) == (200, "audio/mpeg")
            spoken = await answer.read()
        form = aiohttp.FormData({"model": "transcribe"})
        form.add_field("file", spoken, filename="speech.mp3")
        async with http.post("/v1/audio/transcriptions", data=form) as answer:
            assert answer.status == 200
        async with http.post("/v1/embeddings", json={"model": "embed", "input": "Hello."}) as answer:
            assert answer.status == 200
        async with http.post("/llm/generate-script", json={"topic": "trees"}) as answer:
            assert answer.status == 200
    assert (folder / "data" / "gateway.db").exists()


@pytest.mark.slow
async def test_a_key_is_made_where_others_can_call_and_is_needed_then(tmp_path: Path) -> None:
    done = call("init", tmp_path, "--provider", "none", "--listen", "0.0.0.0:0", "--no-ledger", "--json")
    assert (done.status, done.json["providers"], done.json["variables"]) == (0, [], [])
    found = re.fullmatch(r"API_KEYS=app:(\S{40,})\n", (tmp_path / ".env").read_text())
    assert found is not None
    assert found[1] not in done.out
    assert "data/gateway.db" not in (tmp_path / "routes.yaml").read_text()
    providers, routes = ((tmp_path / name).read_text() for name in ("providers.yaml", "routes.yaml"))
    async with process(tmp_path, providers, routes) as gateway, aiohttp.ClientSession(gateway.url) as http:
        async with http.get("/v1/models") as answer:
            assert answer.status == 401
        async with http.get("/v1/models", headers={"authorization": f"Bearer {found[1]}"}) as answer:
            assert answer.status == 200


def test_nothing_is_written_over_unless_forced_and_env_is_only_added_to(tmp_path: Path) -> None:
    (tmp_path / "routes.yaml").write_text("mine")
    (tmp_path / ".env").write_text("OPENAI_API_KEY=mine")
    refused = call("init", tmp_path, "--provider", "openai")
    assert refused.status == 1
    assert "routes.yaml" in refused.err
    assert "--force" in refused.err
    assert sorted(path.name for path in tmp_path.iterdir()) == [".env", "routes.yaml"]
    assert call("init", tmp_path, "--provider", "openai", "--provider", "groq", "--force").status == 0
    assert (tmp_path / ".env").read_text() == "OPENAI_API_KEY=mine\nGROQ_API_KEY=\n"
    assert (tmp_path / "routes.yaml").read_text() != "mine"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--provider", "opnai"], "did you mean 'openai'"),
        (["--provider", "none", "--listen", "nowhere"], "this would not be sound"),
    ],
)
def test_misuse_writes_nothing(tmp_path: Path, arguments: list[str], message: str) -> None:
    done = call("init", tmp_path / "new", *arguments)
    assert done.status == 64
    assert message in done.err
    assert not (tmp_path / "new").exists()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = call("init", tmp_path / "file" / "below", "--provider", "none")
    assert (done.status, "cannot be written" in done.err) == (1, True)


@pytest.mark.slow
async def test_on_a_terminal_it_asks_and_does_not_show_secrets(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", "init", str(tmp_path / "new"),
        cwd=ROOT, env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "TERM": "dumb"},
        stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    screen = b""

    async def until(text: bytes) -> None:
        nonlocal screen
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(30):
            while text not in screen:
                screen += await loop.run_in_executor(None, os.read, ours, 4096)

    await until(b"Which, with commas")
    os.write(ours, b"opnai\n")
    await until(b"did you mean 'openai'")
    os.write(ours, b"openai\n")
    await until(b"OPENAI_API_KEY (empty: later; not shown)")
    os.write(ours, b'canary "quoted" $x\n')
    await until(b"next: gateway run")
    assert await child.wait() == 0
    os.close(ours)
    assert b"canary" not in screen
    assert (tmp_path / "new" / ".env").read_text() == 'OPENAI_API_KEY="canary \\"quoted\\" $x"\n'
    reading = read(Files(tmp_path / "new" / "routes.yaml", tmp_path / "new" / "providers.yaml"), {})
    assert reading.config is not None
    assert reading.config.providers["openai"].credentials["api_key"] == 'canary "quoted" $x'
