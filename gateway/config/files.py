"""Where the configuration is: the files given, a folder named in the environment, the working folder, or our own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.errors import ConfigError, Problem

ROUTES, PROVIDERS, PRICES = "routes.yaml", "providers.yaml", "prices.yaml"
BUNDLED = "bundled"  # the folder of an installed wheel that holds them
FOLDER_VARIABLE = "GATEWAY_CONFIG_DIR"


@dataclass(frozen=True, slots=True)
class Files:
    """The two files of a configuration; they need not lie in one folder."""

    routes: Path
    providers: Path

    @property
    def folders(self) -> tuple[Path, ...]:
        """The folders of both files, each once: `.env` and `plugins/` are looked for there."""
        return tuple(dict.fromkeys((self.routes.parent, self.providers.parent)))

    @property
    def home(self) -> Path:
        """The folder that relative paths of files to be written start from: where routes.yaml lies, but never within
        what came with the package."""
        is_packaged = self.routes.parent == bundled() and bundled().name == BUNDLED
        return Path.cwd() if is_packaged else self.routes.parent

    @property
    def own_prices(self) -> Path:
        """Where a price list of one's own lies: beside providers.yaml."""
        return self.providers.parent / PRICES

    @property
    def prices(self) -> Path:
        """The price list to read: one's own, else the bundled one."""
        return self.own_prices if self.own_prices.is_file() else bundled() / PRICES


def find_files(paths: Sequence[Path | str], environ: Mapping[str, str]) -> Files:
    """Return the two files: of the folder or the files in `paths`, else of $GATEWAY_CONFIG_DIR, else of the working
    folder, else the bundled ones.

    Raises ConfigError where what was asked for explicitly is not there.
    """
    if paths:
        return _given([Path(path) for path in paths])
    if folder := environ.get(FOLDER_VARIABLE):
        return _in_folder(Path(folder))
    if Path(ROUTES).is_file() and Path(PROVIDERS).is_file():
        return Files(Path(ROUTES), Path(PROVIDERS))
    return Files(bundled() / ROUTES, bundled() / PROVIDERS)


def bundled() -> Path:
    """Return the folder with our own routes.yaml, providers.yaml, prices.yaml, schemas/ and plugins/."""
    package = Path(__file__).parent.parent
    inside = package / BUNDLED
    return inside if inside.is_dir() else package.parent


def plugin_folders(files: Files) -> tuple[Path, ...]:
    """Return where plugins are looked for: beside the YAML, then our own."""
    places = [folder / "plugins" for folder in (*files.folders, bundled())]
    return tuple({place.resolve(): place for place in reversed(places)}.values())[::-1]


def _given(paths: list[Path]) -> Files:
    if len(paths) == 1 and (paths[0].is_dir() or not paths[0].suffix):
        return _in_folder(paths[0])
    if len(paths) > 2:
        raise ConfigError([Problem(str(paths[2]), 0, 0, "at most two files are taken; more belong into 'include:'")])
    first, second = paths[0], paths[-1]
    if first.name.startswith("providers"):
        first, second = second, first
    if len(paths) == 1:
        first = paths[0] if not paths[0].name.startswith("providers") else paths[0].with_name(ROUTES)
        second = paths[0] if first is not paths[0] else paths[0].with_name(PROVIDERS)
    return _existing(Files(first, second))


def _in_folder(folder: Path) -> Files:
    if not folder.is_dir():
        raise ConfigError([Problem(str(folder), 0, 0, "there is no such folder")])
    return _existing(Files(folder / ROUTES, folder / PROVIDERS))


def _existing(files: Files) -> Files:
    missing = [
        Problem(str(path), 0, 0, "there is no such file")
        for path in (files.routes, files.providers)
        if not path.is_file()
    ]
    if missing:
        raise ConfigError(missing)
    return files
