"""eliza: talks with Eliza Inc., whose format is that of nobody else; ../vendor.py describes it and plays her."""

from gateway import json
from gateway.errors import (
    UpstreamCut,
    UpstreamMalformed,
    UpstreamRateLimited,
    UpstreamRefusedUs,
    UpstreamRejected,
    UpstreamUnavailable,
)
from gateway.types import Done, TextDelta, Units, UpstreamRequest, Usage

WHO = {"user": "visitor", "assistant": "doctor"}
ENDS = {"finished": "stop", "interrupted": "length"}
MAX_LINE_BYTES = 65_536  # a line is a word


class Eliza:
    options_schema = {"type": "object", "additionalProperties": False}
    credentials = ("ticket",)  # without it a provider of this plugin is off
    default_base_url = "https://api.eliza.example/v1"
    backend = None  # reached over HTTP
    wire = {}  # her format is that of no client
    default_voices = {}
    # What her format has no place for. The gateway leaves it out and says so, or asks the next target.
    lacks = frozenset(
        {"tools", "output_format", "n", "stop", "seed", "temperature", "top_p", "top_k", "logprobs", "logit_bias"}
    )

    def operations(self):
        return frozenset({"chat"})

    def refusal(self, call, target):
        """Say why she cannot serve this call, and the next target is asked; None where she can."""
        spoken = [message for message in call.body.messages if message.role in WHO]
        return None if spoken and spoken[-1].role == "user" else "answers a visitor only"

    def build(self, call, target):
        chat = call.body
        body = {
            "lines": [
                {"who": WHO[message.role], "text": message.text} for message in chat.messages if message.role in WHO
            ]
        }
        if about := "\n".join(message.text for message in chat.messages if message.role in ("system", "developer")):
            body["about"] = about
        if chat.max_output_tokens is not None:
            body["at_most_words"] = chat.max_output_tokens  # a word has a token at least
        headers = {"content-type": "application/json"}
        return UpstreamRequest("POST", f"{target.provider.base_url}/converse", headers, json.dumps(body))

    def sign(self, request, target):
        headers = {**request.headers, "x-ticket": target.provider.credentials["ticket"]}
        return UpstreamRequest(request.method, request.url, headers, request.body)

    async def parse(self, call, response):
        """Yield her words as they come; she always streams, and the gateway joins them for who wants the whole."""
        async for line in lines(response.chunks):
            piece = read(line)
            if "word" in piece:
                yield TextDelta(str(piece["word"]))
            elif "end" in piece:
                yield Usage(Units(input_tokens=piece.get("heard_words", 0), output_tokens=piece.get("said_words", 0)))
                yield Done(ENDS.get(piece["end"], "stop"))
                return
        raise UpstreamCut("she broke off")

    def parse_error(self, status, headers, body):
        """Say whose fault an answer is: that decides whether the next target is asked."""
        try:
            said = read(body)
        except UpstreamMalformed:
            said = {}  # a proxy's page, or nothing
        if status in (401, 403):
            return UpstreamRefusedUs("she does not accept the ticket")
        if status == 429:
            wait_s = said.get("wait_s")
            return UpstreamRateLimited(
                "she has other visitors", retry_after_s=float(wait_s) if isinstance(wait_s, int | float) else None
            )
        if status >= 500:
            return UpstreamUnavailable(f"she answered {status}")
        return UpstreamRejected(str(said.get("because", f"she answered {status}"))[:300])


async def lines(chunks):
    """Yield each line that came to its end, wherever the network cut it."""
    rest = b""
    async for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line
        if len(rest) > MAX_LINE_BYTES:
            raise UpstreamMalformed("a line without an end")


def read(line):
    try:
        piece = json.loads(line)
    except ValueError as error:
        raise UpstreamMalformed("what she said is no JSON") from error
    if not isinstance(piece, dict):
        raise UpstreamMalformed("what she said is no object")
    return piece


PLUGIN = Eliza()
