from __future__ import annotations

from pathlib import Path

import pytest

from tests.config.folder import FREE, PLUGIN, PROVIDERS, ROUTES, Setup


@pytest.fixture
def setup(tmp_path: Path) -> Setup:
    made = Setup(tmp_path)
    made.write("plugins/fake.py", PLUGIN)
    made.write("plugins/free.py", FREE)
    made.write("providers.yaml", PROVIDERS)
    made.write("routes.yaml", ROUTES)
    return made
