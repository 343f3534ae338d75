from __future__ import annotations

import pytest

from gateway.config.catalog import is_for, listed_models
from gateway.types import Scopes
from tests.config.folder import Setup


@pytest.mark.parametrize(
    ("scopes", "shown"),
    [
        (Scopes(), {"fast", "speak", "acme/big", "acme/small", "acme/voice", "spare/chat", "spare/tones"}),
        (Scopes(models=("fast", "acme/*")), {"fast", "acme/big", "acme/small", "acme/voice"}),
        (Scopes(operations=("speech",)), {"speak", "acme/voice", "spare/tones"}),
        (Scopes(providers=("spare",)), {"fast", "speak", "spare/chat", "spare/tones"}),  # it is their second target
        (Scopes(operations=("chat",), providers=("spare",)), {"fast", "spare/chat"}),
        (Scopes(providers=("nobody",)), set()),
        (Scopes(operations=("tokens",)), set()),
    ],
)
def test_a_key_is_shown_what_it_may_call(setup: Setup, scopes: Scopes, shown: set[str]) -> None:
    setup.providers("    standby: true\n", "")
    found = listed_models(setup.config(ACME_KEY="some-key"))
    assert {name for name, listed in found.items() if is_for(scopes, listed)} == shown
