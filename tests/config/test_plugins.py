"""Finding and loading plugins: the second half of gateway/plugin.py."""

from __future__ import annotations

import gc
import sys
from pathlib import Path
from types import ModuleType

import pytest

from gateway.plugin import MEMBERS, Plugin, PluginError, available, load_middleware, load_plugin
from tests import given
from tests.config.folder import PLUGIN, Setup


def write(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_the_first_folder_wins(tmp_path: Path) -> None:
    write(tmp_path, "mine/x.py", PLUGIN + "NAME = 'mine'")
    write(tmp_path, "bundled/x.py", PLUGIN)
    assert load_plugin("x", [tmp_path / "mine", tmp_path / "bundled"]).file == str(tmp_path / "mine/x.py")
    assert load_plugin("x", [tmp_path / "none", tmp_path / "bundled"]).file == str(tmp_path / "bundled/x.py")


def test_a_plugin_may_be_a_package(tmp_path: Path) -> None:
    write(tmp_path, "pack/__init__.py", "from . import words\n" + PLUGIN + "PLUGIN.word = words.WORD\n")
    write(tmp_path, "pack/words.py", "WORD = 'one'\n")
    assert load_plugin("pack", [tmp_path]).value.word == "one"
    write(tmp_path, "pack/words.py", "WORD = 'two'\n")  # the same size, perhaps within the same second
    assert load_plugin("pack", [tmp_path]).value.word == "two"


def test_a_package_finds_its_parts_where_no_module_is_above_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the gateway was installed from its wheel: the folder `plugins` of this project is not to be imported."""
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if not (Path(entry) / "plugins").is_dir()])
    for name in [name for name in sys.modules if name.startswith("plugins.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "plugins", ModuleType("plugins"))  # so that it is put back as it was
    del sys.modules["plugins"]
    write(tmp_path, "alone/__init__.py", "from . import words\n" + PLUGIN + "PLUGIN.word = words.WORD\n")
    write(tmp_path, "alone/words.py", "WORD = 'here'\n")
    assert load_plugin("alone", [tmp_path]).value.word == "here"


def test_an_edit_is_seen_even_within_a_second(tmp_path: Path) -> None:
    for word in ("one", "two", "six", "one"):
        write(tmp_path, "x.py", PLUGIN + f"PLUGIN.word = '{word}'\n")
        assert load_plugin("x", [tmp_path]).value.word == word


def test_an_unchanged_plugin_is_not_run_again_and_the_digest_tells(tmp_path: Path) -> None:
    write(tmp_path, "x.py", PLUGIN)
    first, second = load_plugin("x", [tmp_path]), load_plugin("x", [tmp_path])
    assert first.value is second.value
    assert first.digest == second.digest
    write(tmp_path, "x.py", PLUGIN + "\n")
    third = load_plugin("x", [tmp_path])
    assert third.value is not first.value
    assert third.digest != first.digest


def test_twenty_reloads_do_not_pile_up_modules(tmp_path: Path) -> None:
    for number in range(100):
        write(tmp_path, "pile.py", PLUGIN + f"# {number}\n")
        load_plugin("pile", [tmp_path])
    gc.collect()
    assert (
        sum(getattr(thing, "__name__", "") == "plugins.pile" for thing in gc.get_objects() if type(thing) is type(sys))
        <= 65
    )


def test_dataclasses_work_in_a_plugin(tmp_path: Path) -> None:
    text = "from __future__ import annotations\nimport dataclasses\n@dataclasses.dataclass\nclass A:\n    b: int\n"
    write(tmp_path, "x.py", text + PLUGIN)
    assert load_plugin("x", [tmp_path]).file.endswith("x.py")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 / 0\n", "x.py:1: ZeroDivisionError: division by zero"),
        ("def f():\n    raise KeyError('k')\n\nf()\n", "x.py:2: KeyError: 'k'"),
        ("a = 1\nb = = 2\n", "x.py:2: SyntaxError: invalid syntax"),
        ("import surely_missing\n", "x.py:1: ModuleNotFoundError: No module named 'surely_missing'"),
        ("import sys\nsys.exit(3)\n", "x.py:2: SystemExit: 3"),
        ("a = 1\n", "x.py does not define PLUGIN"),
        ("def MIDDLEWARE(options): ...\n", "x.py does not define PLUGIN, it defines MIDDLEWARE"),
        ("PLUGIN = object()\n", "x.py: PLUGIN lacks options_schema, credentials, default_base_url"),
        (PLUGIN.replace("def sign", "def sing"), "x.py: PLUGIN lacks sign; gateway/plugin.py says what each is"),
        ("\0", "x.py"),
    ],
)
def test_what_does_not_load_says_where_and_why(tmp_path: Path, text: str, message: str) -> None:
    write(tmp_path, "x.py", text)
    with pytest.raises(PluginError) as caught:
        load_plugin("x", [tmp_path])
    assert message in caught.value.message


def test_a_fault_deep_in_a_package_names_that_file(tmp_path: Path) -> None:
    write(tmp_path, "pack/__init__.py", "from . import part\n" + PLUGIN)
    write(tmp_path, "pack/part.py", "a = 1\n1 / 0\n")
    with pytest.raises(PluginError, match=r"pack/part\.py:2: ZeroDivisionError"):
        load_plugin("pack", [tmp_path])


def test_a_faulty_edit_leaves_the_loaded_one_in_place(tmp_path: Path) -> None:
    write(tmp_path, "x.py", PLUGIN)
    load_plugin("x", [tmp_path])
    module = sys.modules["plugins.x"]
    write(tmp_path, "x.py", "1 / 0\n")
    with pytest.raises(PluginError):
        load_plugin("x", [tmp_path])
    assert sys.modules["plugins.x"] is module


def test_a_missing_plugin_names_the_places_looked_at(tmp_path: Path) -> None:
    with pytest.raises(PluginError) as caught:
        load_plugin("x", [tmp_path / "a", tmp_path / "b"])
    assert caught.value.message == f"there is no x.py in {tmp_path / 'a'} or {tmp_path / 'b'}"


def test_a_middleware_is_a_function_of_its_options(tmp_path: Path) -> None:
    write(tmp_path, "m.py", "def MIDDLEWARE(options):\n    return ('made with', options)\n")
    assert load_middleware("m", [tmp_path]).value(5) == ("made with", 5)
    write(tmp_path, "m.py", "MIDDLEWARE = 5\n")
    with pytest.raises(PluginError, match="MIDDLEWARE has to be a function"):
        load_middleware("m", [tmp_path])


def test_what_there_is_is_known(tmp_path: Path) -> None:
    write(tmp_path, "a.py", "")
    write(tmp_path, "_helper.py", "")
    write(tmp_path, "pack/__init__.py", "")
    write(tmp_path, "empty/readme.txt", "")
    assert available([tmp_path, tmp_path / "none"]) == ["a", "pack"]


def test_the_members_are_those_of_the_protocol() -> None:
    own = {name for name in (*Plugin.__annotations__, *vars(Plugin)) if not name.startswith("_")}
    assert set(MEMBERS) == own


MIDDLEWARE = """
def MIDDLEWARE(options):
    async def loud(call, handler):
        return options["a"]
    return loud
"""


async def test_a_users_middleware_is_made_of_its_options(setup: Setup) -> None:
    setup.write("plugins/loud.py", MIDDLEWARE)
    setup.routes("model: fast", "model: fast, middlewares: [{name: loud, after: auth, options: {a: 1}}]")
    [middleware] = setup.config().routes[0].middlewares
    assert (middleware.name, middleware.after, middleware.options) == ("loud", "auth", {"a": 1})
    assert await middleware.link(given.call(), None) == 1  # type: ignore[arg-type, comparison-overlap]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def MIDDLEWARE(options):\n    return options['b']\n", "plugins/loud.py:2: KeyError: 'b'"),
        ("def MIDDLEWARE():\n    ...\n", "plugins/loud.py: TypeError: MIDDLEWARE() takes 0 positional arguments"),
        ("def MIDDLEWARE(options):\n    pass\n", "returned NoneType; it has to return the middleware: async def"),
        ("def MIDDLEWARE(options):\n    raise SystemExit\n", "plugins/loud.py:2: SystemExit"),
    ],
)
def test_a_middleware_that_cannot_be_made_is_a_problem_at_its_options(setup: Setup, text: str, message: str) -> None:
    setup.write("plugins/loud.py", text)
    setup.routes("model: fast", "model: fast, middlewares: [{name: loud, after: auth, options: {a: 1}}]")
    [problem] = setup.problems()
    assert problem.startswith("routes.yaml:10:118: middleware 'loud' cannot be made: "), problem
    assert message in problem


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("PLUGIN = Fake()", "PLUGIN = Fake", "fake.py: PLUGIN is the class Fake; write PLUGIN = Fake()"),
        ('("api_key",)', '"api_key"', "fake.py: PLUGIN.credentials has to be a tuple of names, not str"),
        ("default_base_url = ", "default_base_url = 1 or ", "PLUGIN.default_base_url has to be a text, not int"),
        ("backend = None", "backend = 'http'", "PLUGIN.backend has to be None, an Inline or a Worker, not str"),
        ("wire = {}", "wire = None", "PLUGIN.wire has to be a dict of operation to dialect, not NoneType"),
        ("return frozenset(", "return 1 / 0 or (", "fake.py:12: ZeroDivisionError: division by zero"),
        ("return frozenset(", "return list(", "PLUGIN.operations() has to return a frozenset, not list"),
        ("    def refusal", "    def needs(self, options): return options['x']\n    def refusal", "KeyError: 'x'"),
        ("    def refusal", "    def needs(self, options): return 'key'\n    def refusal", "not str"),
        ("    def refusal", "    def voices_at(self, model): return {}[5]\n    def refusal", "KeyError: 5"),
        ("    def refusal", "    def voices_at(self, model): return []\n    def refusal", "return a dict, not list"),
    ],
)
def test_a_plugin_with_a_fault_is_a_problem_at_its_name(setup: Setup, old: str, new: str, message: str) -> None:
    assert old in PLUGIN
    setup.write("plugins/fake.py", PLUGIN.replace(old, new, 1))
    problem = setup.problems()[0]
    assert problem.startswith("providers.yaml:4:13: plugin 'fake' "), problem
    assert message in problem
