"""HTTP to vendors through the proxies that the environment names, where providers.yaml says so.

aiohttp's ClientSession knows CONNECT, TLS within it, NO_PROXY and proxies' credentials;
beside a proxy its cost is small.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
from yarl import URL

from gateway.errors import UpstreamCut, UpstreamMalformed, UpstreamUnreachable
from gateway.types import Form, UpstreamRequest, UpstreamResponse
from gateway.upstream.files import sent_bytes, sent_chunks
from gateway.upstream.multipart import Multipart

KEEPALIVE_S = 30.0  # vendors' balancers close idle connections after 60 s or more; stay well below


class Proxied:
    """As HttpTransport, but by a proxy. No redirects, cookies or decompression here either.

    Without one (`has_proxy`) it is how sockets are opened.
    """

    def __init__(self, via: str, *, has_proxy: bool = True) -> None:
        self._via = via  # names this process to whoever it calls, so that a loop is seen
        self._has_proxy = has_proxy
        self._session: aiohttp.ClientSession | None = None

    def bind(self, connect_s: float) -> Callable[[UpstreamRequest], Awaitable[UpstreamResponse]]:
        """Return `send` with a connect timeout."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=connect_s)

        async def send(request: UpstreamRequest) -> UpstreamResponse:
            return await self._send(request, timeout)

        return send

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def _send(self, request: UpstreamRequest, timeout: aiohttp.ClientTimeout) -> UpstreamResponse:
        return answer_of(await self.asked(request, timeout))

    async def asked(self, request: UpstreamRequest, timeout: aiohttp.ClientTimeout) -> aiohttp.ClientResponse:
        """Return the answer once its head is there. Raises UpstreamUnreachable, UpstreamMalformed, UpstreamCut."""
        headers = {**request.headers, "accept-encoding": "identity", "via": self._via}
        data: bytes | AsyncIterator[bytes] = b""
        if isinstance(request.body, Form):
            multipart = Multipart(request.body)
            headers["content-type"] = multipart.content_type
            headers["content-length"] = str(multipart.size_bytes)
            data = multipart.chunks()
        elif request.upload is not None:
            headers["content-length"] = str(sent_bytes(request.upload))
            data = sent_chunks(request.upload)
        else:
            data = request.body
        url = URL(request.url, encoded=True)
        try:
            return await self._client().request(
                request.method,
                url,
                headers=headers,
                data=data or None,
                allow_redirects=False,
                timeout=timeout,
                read_until_eof="upgrade" not in headers,
            )
        except (TimeoutError, aiohttp.ServerTimeoutError) as error:
            raise UpstreamUnreachable(f"no connection to {url.host} within {timeout.sock_connect:g} s") from error
        except aiohttp.ClientConnectorError as error:
            raise UpstreamUnreachable(f"no connection to {url.host}: {_cause(error)}") from error
        except aiohttp.ClientHttpProxyError as error:
            raise UpstreamUnreachable(f"no connection to {url.host}: the proxy answered {error.status}") from error
        except aiohttp.ClientResponseError as error:
            raise UpstreamMalformed(f"{url.host} answered with something that is not HTTP") from error
        except (aiohttp.ClientError, OSError) as error:
            raise UpstreamCut(f"{url.host} closed the connection before it answered") from error
        except ValueError as error:
            raise UpstreamUnreachable(
                f"no request to {url.host} can be written: a credential or header in providers.yaml holds a line "
                "break, or base_url a port that there is not"
            ) from error

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=_Connector(limit=0, keepalive_timeout=KEEPALIVE_S, ttl_dns_cache=60),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=self._has_proxy,
                auto_decompress=False,
                skip_auto_headers=("user-agent", "accept", "content-type"),
                requote_redirect_url=False,
            )
        return self._session


class _Connector(aiohttp.TCPConnector):
    """Cuts at once what is not given back. aiohttp would close it once its buffer is sent: a vendor that stops reading
    in the middle of a recording would keep the connection for ever (tests/proofs/leaving.py, "sending")."""

    def _release(self, key: Any, protocol: Any, *, should_close: bool = False) -> None:
        if (should_close or protocol.should_close) and protocol.transport is not None:
            protocol.transport.abort()
        super()._release(key, protocol, should_close=should_close)


def answer_of(response: aiohttp.ClientResponse) -> UpstreamResponse:
    names = {name.lower(): value for name, value in response.headers.items()}
    return UpstreamResponse(response.status, names, _chunks(response), _closer(response))


async def _chunks(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    try:
        async for chunk in response.content.iter_any():
            yield chunk
    except (aiohttp.ClientError, OSError) as error:
        raise UpstreamCut(f"{response.url.host} broke off in the middle of its answer") from error


def _closer(response: aiohttp.ClientResponse) -> Callable[[], Awaitable[None]]:
    async def close() -> None:
        """Give the connection back if the answer was read to its end, else cut it: the vendor then stops working."""
        response.close()

    return close


def _cause(error: aiohttp.ClientConnectorError) -> str:
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "its name is not known to DNS"
    if isinstance(error, (aiohttp.ClientConnectorCertificateError, aiohttp.ClientConnectorSSLError)):
        return "its TLS certificate was not accepted"
    cause = error.os_error
    return "TLS failed" if isinstance(cause, ssl.SSLError) else (cause.strerror or type(cause).__name__).lower()
