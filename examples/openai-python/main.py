"""Chat, speech and transcription by OpenAI's own client: nothing but its base URL says that a gateway answers."""

import os

from openai import OpenAI

GATEWAY = os.getenv("GATEWAY_URL", "http://127.0.0.1:8001")
client = OpenAI(base_url=f"{GATEWAY}/v1", api_key=os.getenv("GATEWAY_KEY", "none"))

# A stream, word by word; its last chunk has the usage, and what it cost.
stream = client.chat.completions.create(
    model="fast",
    messages=[{"role": "user", "content": "What is a plugin?"}],
    stream=True,
    stream_options={"include_usage": True},
)
for chunk in stream:
    if chunk.choices:
        print(chunk.choices[0].delta.content or "", end="", flush=True)
    elif chunk.usage:
        print(f"\n-- {chunk.usage.total_tokens} tokens, {chunk.usage.model_extra['cost_usd']} USD")

# What an answer says of itself is in its headers.
answer = client.chat.completions.with_raw_response.create(
    model="fast", messages=[{"role": "user", "content": "Hello!"}]
)
print(answer.parse().choices[0].message.content)
print(f"-- {answer.headers['x-gateway-provider']}/{answer.headers['x-gateway-model']}")

# There and back: what is spoken is written down again.
sentence = "The quick brown fox jumps over the lazy dog."
with client.audio.speech.with_streaming_response.create(model="speak", voice="nova", input=sentence) as speech:
    speech.stream_to_file("speech.mp3")
with open("speech.mp3", "rb") as file:
    print("heard:", client.audio.transcriptions.create(model="transcribe", file=file).text)
