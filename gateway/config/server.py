"""The `server` section of routes.yaml compiled."""

from __future__ import annotations

import re

from gateway.config.concurrency import compile_concurrency
from gateway.config.document import Section
from gateway.config.model import Cors, Server
from gateway.config.quantities import listen_address

_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(?:\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]{1,5})?", re.ASCII)
_PLAIN = (
    "max_body_bytes",
    "max_upload_bytes",
    "head_timeout_s",
    "body_timeout_s",
    "write_timeout_s",
    "shutdown_s",
    "shutdown_grace_s",
    "metrics",
    "log_level",
    "workers",
)


def compile_server(section: Section) -> Server:
    """Return the server's settings; what is not given keeps the default of `Server`."""
    default = Server()
    host, port = default.host, default.port
    if "listen" in section:
        try:
            host, port = listen_address(section.get("listen"))
        except ValueError as error:
            section.at("listen").error(f"listen is {section.at('listen').show()}, which {error}")
    gzip_min_bytes = section.get("gzip_min_bytes", default.gzip_min_bytes)
    return Server(
        host=host,
        port=port,
        cors=_cors(section.at("cors")),
        concurrency=compile_concurrency(section),
        gzip_min_bytes=None if gzip_min_bytes == "none" else gzip_min_bytes,
        **{name: type(getattr(default, name))(section.get(name)) for name in _PLAIN if name in section},
    )


def _cors(section: Section) -> Cors:
    place = section.at("origins")
    if isinstance(place.value, str):
        named = [(origin.strip(), place) for origin in place.value.split(",")]
    else:
        named = [(item.value, item) for _, item in place.each()]
    for origin, where in named:
        if origin and origin != "*" and not _ORIGIN.fullmatch(origin):
            said = where.show() if where.is_substituted else repr(origin)
            where.error(
                f"cors.origins has {said}, which is no origin; write https://host or http://host:port, or * for any"
            )
    origins = tuple(dict.fromkeys(origin for origin, _ in named if origin))
    allow_credentials = section.get("allow_credentials", False)
    if "*" in origins and allow_credentials:
        place.error(
            "cors.origins is * and allow_credentials is true: any page could use a visitor's cookies; name the origins"
        )
    if "*" in origins and len(origins) > 1:
        place.warn("cors.origins holds *, the others say nothing more")
        origins = ("*",)
    return Cors(origins, allow_credentials, int(section.get("max_age_s", 600)))
