"""`gateway keys`: limits and tags in words, and whole files of keys, all or nothing."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from gateway.cli.keys import command
from gateway.dialects.signatures import pair_of
from gateway.stores.keys.store import KeyStore
from tests.harness import ROUTES, SANDBOX

DECLARED = "declared-secret-0123456789"


def sha256(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


class Keys:
    """The command in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "providers.yaml").write_text(SANDBOX)
        static = f"keys: {{static: [{{name: ops, key: {DECLARED}}}]}}"
        routes = ROUTES.replace("keys: {anonymous: loopback}", static) + "stores: {database_url: 'sqlite:gateway.db'}\n"
        (folder / "routes.yaml").write_text(routes)

    def __call__(self, *arguments: str, given: str | bytes | None = None) -> tuple[int, str]:
        result = CliRunner().invoke(command, [*arguments, "--config", str(self.folder)], input=given)
        return result.exit_code, result.output

    def listed(self) -> dict[str, dict[str, Any]]:
        code, said = self("list", "--json")
        assert code == 0, said
        return {key["name"]: key for key in json.loads(said)}

    def take(self, text: str | bytes, name: str = "keys.jsonl") -> tuple[int, str]:
        path = self.folder / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return self("import", str(path))


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys(tmp_path)


# ---------------------------------------------------------------- limits and tags in words


def test_limits_and_tags_are_given_shown_and_listed(keys: Keys) -> None:
    words = ["requests=60/minute", "requests=1000/day", "budget=5 USD/day", "concurrent=5", "alert_percents=80"]
    options = [part for word in (*words, "while_away=closed") for part in ("--limit", word)]
    code, said = keys("create", "web", *options, "--tag", "team=voice", "--tag", "a=b=c")
    assert code == 0, said
    shown = json.loads(keys("show", "web")[1])
    assert shown["limits"] == {
        "requests": ["60/minute", "1000/day"],
        "concurrent": 5,
        "budget": "5 USD/day",
        "alert_percents": [80],
        "while_away": "closed",
    }
    assert shown["tags"] == {"a": "b=c", "team": "voice"}
    said = keys("list")[1]
    assert "limited to requests 60/minute, 1000/day; concurrent 5; budget 5 USD/day" in said
    assert "[team=voice]" in said


@pytest.mark.parametrize(
    ("option", "word", "said"),
    [
        ("--limit", "requests", "'requests' is not name=value; write requests=60/minute"),
        ("--limit", "reqests=60/minute", "reqests is no limit (did you mean 'requests'?)"),
        ("--limit", "requests=sixty", "requests is 'sixty', which is not a rate"),
        ("--limit", "budget=5", "budget is '5', which is not a budget"),
        ("--limit", "concurrent=-1", "no whole number from 0 to 1000000"),
        ("--limit", "concurrent=1000001", "no whole number"),
        ("--limit", "alert_percents=0", "no whole number from 1 to 100"),
        ("--limit", "alert_percents=101", "no whole number"),
        ("--limit", "while_away=later", "it is one of closed, local_share, open"),
        ("--limit", "while_away=open", "limits nothing"),
        ("--tag", "team", "'team' is not name=value"),
        ("--tag", "a b=c", "is no name of a tag"),
        ("--tag", f"a={'x' * 257}", "has 257 characters"),
    ],
)
def test_a_wrong_word_is_a_misuse_that_names_it(keys: Keys, option: str, word: str, said: str) -> None:
    code, told = keys("create", "web", option, word)
    assert (code, said in told) == (2, True), told  # 64 by `main`
    assert not (keys.folder / "gateway.db").exists()


@pytest.mark.parametrize("option", [("--limit", "concurrent=1"), ("--tag", "a=1")])
def test_what_can_be_said_once_is_not_said_twice(keys: Keys, option: tuple[str, str]) -> None:
    code, told = keys("create", "web", *option, *option)
    assert (code, "is given twice" in told) == (2, True)


@pytest.mark.parametrize(("word", "kept"), [("concurrent=0", 0), ("concurrent=1000000", 1_000_000)])
def test_calls_at_once_have_bounds(keys: Keys, word: str, kept: int) -> None:
    assert keys("create", "web", "--limit", word)[0] == 0
    assert keys.listed()["web"]["limits"] == {"concurrent": kept}


def test_limits_and_tags_are_set_each_as_a_whole(keys: Keys) -> None:
    keys("create", "web", "--limit", "requests=60/minute", "--limit", "concurrent=5", "--tag", "team=voice")
    code, said = keys("set", "web", "--limit", "requests=90/minute")
    assert (code, json.loads(said)["limits"]) == (0, {"requests": "90/minute"})
    assert keys("set", "web", "--tag", "a=b", "--no-limits")[0] == 0
    assert (keys.listed()["web"]["limits"], keys.listed()["web"]["tags"]) == ({}, {"a": "b"})
    assert keys("set", "web", "--no-tags")[0] == 0
    assert keys.listed()["web"]["tags"] == {}
    assert "nobody" in keys("set", "nobody", "--no-tags")[1]
    for options in ([], ["--no-tags", "--tag", "a=b"], ["--no-limits", "--limit", "concurrent=1"]):
        assert keys("set", "web", *options)[0] == 2


# ---------------------------------------------------------------- files

ROWS: list[dict[str, Any]] = [
    {"name": "a", "sha256": sha256("a-secret-0123456789")},
    {
        "name": "b",
        "tenant": "acme",
        "key": "b-secret-0123456789",
        "role": "operator",
        "models": ["fast", "gpt-*"],
        "expires": "2999-01-31",
        "limits": {"requests": ["60/minute"], "concurrent": 2},
        "tags": {"team": "voice"},
    },
]
CSV = (
    "name,tenant,sha256,key,role,models,expires,limits,tags\r\n"
    f"a,,{sha256('a-secret-0123456789')},,,,,,\r\n"
    "b,acme,,b-secret-0123456789,operator,fast; gpt-*,2999-01-31,requests=60/minute; concurrent=2,team=voice\r\n"
)
FILES = {
    "keys.jsonl": "\n".join(map(json.dumps, ROWS)) + "\n\n",
    "keys.ndjson": "\n".join(map(json.dumps, ROWS)),
    "keys.json": json.dumps(ROWS, indent=2),
    "keys.csv": "\ufeff" + CSV,
}


@pytest.mark.parametrize("is_piped", [False, True])
@pytest.mark.parametrize("name", FILES)
def test_each_kind_of_file_is_taken(keys: Keys, name: str, is_piped: bool) -> None:
    code, said = keys("import", "-", given=FILES[name].encode()) if is_piped else keys.take(FILES[name], name)
    assert (code, said) == (0, "2 keys imported\n")
    listed = keys.listed()
    assert (listed["a"]["tenant"], listed["a"]["role"], listed["a"]["limits"]) == ("a", "user", {})
    b = listed["b"]
    assert (b["tenant"], b["role"], b["scopes"]) == ("acme", "operator", {"models": ["fast", "gpt-*"]})
    assert b["expires_at"] == "2999-01-31T00:00:00Z"
    assert (b["limits"], b["tags"]) == ({"requests": "60/minute", "concurrent": 2}, {"team": "voice"})
    digests = {key.name: key.digest.hex() for key in KeyStore(f"sqlite:{keys.folder}/gateway.db").since(0)[1]}
    assert digests == {"a": sha256("a-secret-0123456789"), "b": sha256("b-secret-0123456789")}


def test_every_fault_is_told_with_its_line_and_nothing_is_taken(keys: Keys) -> None:
    rows = [
        json.dumps({"name": "fine", "sha256": sha256("fine-secret-0123456789")}),
        "",
        "{",
        "[]",
        '{"name": "no-secret"}',
        json.dumps({"name": "both", "sha256": sha256("x"), "key": "both-secret-0123456789"}),
        '{"nmae": "x", "name": "y", "key": "some-secret-0123456789"}',
        '{"name": "weak", "key": "short"}',
        json.dumps({"name": "empty", "sha256": sha256("")}),
        '{"name": "half", "sha256": "abc"}',
        '{"name": "late", "key": "late-secret-0123456789", "expires": "soon"}',
        '{"name": "limit", "key": "limit-secret-0123456789", "limits": {"requests": "sixty"}}',
        '{"name": "tag", "key": "tag-secret-0123456789", "tags": {"a b": "c"}}',
        '{"name": "scope", "key": "scope-secret-0123456789", "models": ["a"], "scopes": {"models": ["b"]}}',
        json.dumps({"name": "twin", "sha256": sha256("fine-secret-0123456789").upper()}),
        json.dumps({"name": "yaml", "key": DECLARED}),
    ]
    code, said = keys.take("\n".join(rows))
    assert code == 1
    told = {int(line.split()[1][:-1]): line for line in said.splitlines() if line.startswith("line ")}
    expected = {
        3: "is no JSON; a line is one object",
        4: "is no object",
        5: "'no-secret' needs either 'key' or 'sha256'",
        6: "'both' needs either",
        7: "'nmae' is not known (did you mean 'name'?)",
        8: "the secret of 'weak' has 5 characters",
        9: "'empty' has the hash of an empty or well-known secret",
        10: "'sha256' must match",
        11: "'late': 'expires' is no date",
        12: "'limit': requests is 'sixty', which is not a rate",
        13: "'tag': a b is no name of a tag",
        14: "'scope' gives 'models' twice",
        15: "'twin' has the secret of 'fine' on line 1",
        16: "'yaml' has the secret of 'ops', which routes.yaml declares",
    }
    assert told.keys() == expected.keys()
    assert {line: told[line] for line, text in expected.items() if text not in told[line]} == {}
    assert not (keys.folder / "gateway.db").exists()


def test_a_key_that_is_there_already_is_named_and_nothing_is_taken(keys: Keys) -> None:
    assert keys.take(FILES["keys.jsonl"])[0] == 0
    more = {"name": "c", "key": "c-secret-0123456789"}
    code, said = keys.take("\n".join(map(json.dumps, [more, {**ROWS[0], "name": "again"}])))
    assert code == 1
    assert "line 2: 'again' has the secret of a (key_" in said
    assert keys.listed().keys() == {"a", "b"}


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("keys.json", '[\n{"name": "a", "key": "a-secret-0123456789"},\n {"name"}]', "line 3: is no JSON from here on"),
        ("keys.json", '[{"name": "a", "key": "a-secret-0123456789"}\n {}]', "line 1: is not followed by ',' or ']'"),
        ("keys.json", '[\n\n{"name": "a"}]', "line 3: 'a' needs either"),
        ("keys.json", "[]", "holds no keys"),
        ("keys.jsonl", "\n \n", "holds no keys"),
        ("keys.csv", "", "holds no keys"),
        ("keys.csv", "name,key\n", "holds no keys"),
        ("keys.csv", "name,key\n\na\n", "line 3: 'a' needs either"),
        ("keys.csv", "name,key\na,b,c\n", "line 2: has 3 cells, the first line has 2"),
        ("keys.csv", 'name,key\na,"b\n', "line 2: is no CSV"),
        ("keys.csv", 'name,tags\n"a","x\ny"\nb,team\n', "line 4: 'team' is not name=value"),
        ("keys.csv", "name,limits\na,requests\n", "line 2: 'requests' is not name=value"),
        ("keys.csv", b"name\n\xff\n", "is no UTF-8 at byte 5"),
    ],
)  # fmt: skip
def test_a_file_that_is_none_says_where(keys: Keys, name: str, text: str | bytes, said: str) -> None:
    code, told = keys.take(text, name)
    assert (code, said in told) == (1, True), told


def test_a_file_is_known_by_its_ending(keys: Keys) -> None:
    code, said = keys.take(CSV, "keys.txt")
    assert (code, "ends in none of .jsonl, .ndjson, .json, .csv" in said) == (2, True)
    code, said = keys("import", str(keys.folder / "none.csv"))
    assert (code, "cannot be read: No such file" in said) == (1, True)


# ---------------------------------------------------------------- pairs


def test_a_pair_is_printed_for_a_key_of_either_kind(keys: Keys) -> None:
    code, said = keys("pair", "ops")
    assert (code, "no keys.signing_secret" in said) == (1, True)
    routes = keys.folder / "routes.yaml"
    signing = "0123456789abcdef0123456789abcdef"
    routes.write_text(routes.read_text().replace("keys: {", f"keys: {{signing_secret: {signing}, "))
    assert keys("create", "web")[0] == 0
    stored = keys.listed()["web"]
    code, said = keys("pair", "web", "--json")
    pair = json.loads(said)
    assert (code, pair["access_key_id"]) == (0, "GWAK" + stored["id"].removeprefix("key_").upper())
    assert pair["secret_access_key"] in keys("pair", stored["id"])[1]
    declared = pair_of(signing, bytes.fromhex(sha256(DECLARED)))
    assert json.loads(keys("pair", "ops", "--json")[1]) == {
        "access_key_id": declared.access_key_id,
        "secret_access_key": declared.secret_access_key,
    }
    assert "no key has the id or name 'nobody'" in keys("pair", "nobody")[1]
    assert keys("revoke", "web")[0] == 0
    code, said = keys("pair", stored["id"])
    assert (code, "is revoked" in said) == (1, True)
