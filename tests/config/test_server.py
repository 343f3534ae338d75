from __future__ import annotations

import pytest

from gateway.config.model import Cors, Server
from tests.config.folder import Setup


def server(setup: Setup, text: str) -> None:
    setup.routes("keys:", f"server: {text}\nkeys:")


def test_what_is_not_said_is_the_default(setup: Setup) -> None:
    assert setup.config().server == Server()
    server(setup, "{head_timeout_s: 3, max_body_bytes: 2048.0}")
    assert setup.config().server == Server(head_timeout_s=3.0, max_body_bytes=2048)


def test_everything_can_be_said(setup: Setup) -> None:
    server(
        setup,
        "{listen: '[::1]:9', cors: {origins: ['https://a.example'], allow_credentials: true, max_age_s: 5},"
        " max_body_bytes: 1024, max_upload_bytes: 1024, head_timeout_s: 1, body_timeout_s: 2, write_timeout_s: 3,"
        " shutdown_s: 4, shutdown_grace_s: 0.5, gzip_min_bytes: none, metrics: false, log_level: debug}",
    )
    cors = Cors(("https://a.example",), True, 5)
    assert setup.config().server == Server("::1", 9, cors, 1024, 1024, 1.0, 2.0, 3.0, 4.0, 0.5, None, False, "debug")


@pytest.mark.parametrize(
    ("text", "origins"),
    [
        ("''", ()),
        ("'*'", ("*",)),
        ("'https://a.example, http://localhost:3000,'", ("https://a.example", "http://localhost:3000")),
        ("[]", ()),
        ("['https://a.example', 'https://a.example']", ("https://a.example",)),
        ("['*', 'https://a.example']", ("*",)),
    ],
)
def test_origins_are_a_list_or_one_text(setup: Setup, text: str, origins: tuple[str, ...]) -> None:
    server(setup, f"{{cors: {{origins: {text}}}}}")
    assert setup.config().server.cors.origins == origins


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{listen: 8001}", "listen has to be text, not 8001"),
        ("{listen: '8001'}", "listen is '8001', which is not host:port"),
        ("{cors: {origins: '*', allow_credentials: true}}", "any page could use a visitor's cookies; name the origins"),
        ("{cors: {origins: 'https://a.example/'}}", "cors.origins has 'https://a.example/', which is no origin"),
        ("{cors: {origins: [a.example]}}", "cors.origins has 'a.example', which is no origin"),
        ("{max_body_bytes: 1023}", "max_body_bytes has to be at least 1024"),
        ("{shutdown_s: 0}", "shutdown_s has to be more than 0"),
        ("{shutdown_grace_s: -0.1}", "shutdown_grace_s has to be at least 0"),
        ("{metrics: yes}", "metrics has to be true or false, not 'yes' (write true)"),
        ("{log_level: warn}", "log_level is 'warn', it can be: debug, info, warning, error (did you mean 'warning'?)"),
        ("{gzip_min_bytes: never}", "gzip_min_bytes has to be 'none' or a whole number, not 'never'"),
        ("{port: 1}", "'port' is not known in server"),
    ],
)
def test_a_fault_is_told(setup: Setup, text: str, message: str) -> None:
    server(setup, text)
    assert any(message in problem for problem in setup.problems()), setup.problems()


def test_an_origin_from_the_environment_is_not_shown(setup: Setup) -> None:
    server(setup, "{cors: {origins: '${ALLOWED_ORIGINS}'}}")
    [problem] = setup.problems(ALLOWED_ORIGINS="https://canary.example/")
    assert "canary" not in problem
