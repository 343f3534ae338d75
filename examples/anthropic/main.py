"""A conversation by Anthropic's own client, whoever serves the model: streamed, and with a tool."""

import os

from anthropic import Anthropic

GATEWAY = os.getenv("GATEWAY_URL", "http://127.0.0.1:8001")
client = Anthropic(base_url=f"{GATEWAY}/anthropic", api_key=os.getenv("GATEWAY_KEY", "none"))

question = [{"role": "user", "content": "What is a plugin?"}]
print(client.messages.count_tokens(model="smart", messages=question).input_tokens, "tokens to be read")

with client.messages.stream(model="smart", max_tokens=500, messages=question) as stream:
    for text in stream.text_stream:
        print(text, end="", flush=True)
print(f"\n-- {stream.response.headers['x-gateway-provider']}/{stream.response.headers['x-gateway-model']}")

# The model asks for a tool, the program has the answer, and the model goes on with it.
tools = [
    {
        "name": "get_tide",
        "description": "When the tide is high.",
        "input_schema": {"type": "object", "properties": {"port": {"type": "string"}}, "required": ["port"]},
    }
]
talk = [{"role": "user", "content": "Please get_tide of Cuxhaven."}]
asked = client.messages.create(model="smart", max_tokens=500, messages=talk, tools=tools)
use = next(block for block in asked.content if block.type == "tool_use")
print(use.name, use.input)
talk += [
    {"role": "assistant", "content": asked.content},
    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": use.id, "content": "High at 14:10."}]},
]
print(client.messages.create(model="smart", max_tokens=500, messages=talk, tools=tools).content[0].text)
