"""What tests of deploy/ share."""

from __future__ import annotations

import pytest

from gateway.config.model import Config
from tests.deploy.given import config


@pytest.fixture(scope="session")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Config:
    """The configuration of deploy/config."""
    return config(tmp_path_factory.mktemp("deployed"))
