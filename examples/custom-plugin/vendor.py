"""Eliza Inc., a vendor that does not exist: a talk by HTTP, in a format that nobody else has.

    POST /v1/converse            x-ticket: any ticket that is not empty
    {"lines": [{"who": "visitor", "text": "I need a rest."}], "about": "...", "at_most_words": 40}

    200  {"word": "Why "}        one line of JSON for each word, as it comes to mind
         {"word": "do "} ...
         {"end": "finished", "heard_words": 4, "said_words": 7}      or "interrupted", where words ran out
    400  {"because": "..."}   401   429  {"wait_s": 3}

She answers as Joseph Weizenbaum's program of 1966 did: by turning one's words around.
"""

import asyncio
import json
import os
import re

from aiohttp import web

PORT = int(os.getenv("ELIZA_PORT", "8090"))
WORDS_PER_S = 50

TURNED = {"i": "you", "me": "you", "my": "your", "am": "are", "you": "I", "your": "my", "mine": "yours"}
RULES = (
    (r"i need (.*)", "Why do you need {}?"),
    (r"i(?:'m| am) (.*)", "How long have you been {}?"),
    (r"because (.*)", "Is that the real reason?"),
    (r"(?:hello|hi|good morning)\b(.*)", "How do you do. What would you like to talk about?"),
    (r".*\b(?:mother|father|sister|brother)\b(.*)", "Tell me more about your family."),
    (r"(.*)\?", "Why do you ask?"),
    (r"(.*)", "You say: {}. Please go on."),
)


def answer_to(text: str) -> str:
    said = text.strip().rstrip(".!").lower()
    for pattern, answer in RULES:
        if found := re.fullmatch(pattern, said):
            return answer.format(" ".join(TURNED.get(word, word) for word in found[1].split()))
    return "I see."


async def converse(request: web.Request) -> web.StreamResponse:
    if not request.headers.get("x-ticket"):
        return web.json_response({"because": "no ticket"}, status=401)
    asked = await request.json()
    lines = asked.get("lines") or []
    if not lines or lines[-1]["who"] != "visitor":
        return web.json_response({"because": "the last line has to be the visitor's"}, status=400)
    if "hurry" in lines[-1]["text"]:
        return web.json_response({"wait_s": 3}, status=429)
    words = answer_to(lines[-1]["text"]).split()
    said = words[: asked.get("at_most_words", len(words))]

    response = web.StreamResponse(headers={"content-type": "application/x-ndjson"})
    await response.prepare(request)
    for number, word in enumerate(said, 1):
        space = "" if number == len(words) else " "
        await response.write(json.dumps({"word": word + space}).encode() + b"\n")
        await asyncio.sleep(1 / WORDS_PER_S)
    end = {
        "end": "finished" if said == words else "interrupted",
        "heard_words": sum(len(line["text"].split()) for line in lines),
        "said_words": len(said),
    }
    await response.write(json.dumps(end).encode() + b"\n")
    return response


if __name__ == "__main__":
    app = web.Application()
    app.router.add_post("/v1/converse", converse)
    web.run_app(app, host="127.0.0.1", port=PORT)
