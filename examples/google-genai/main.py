"""Content, a stream, a shape to be kept and vectors by Google's own client, whoever serves the model."""

import os

from google import genai
from google.genai import types

GATEWAY = os.getenv("GATEWAY_URL", "http://127.0.0.1:8001")
client = genai.Client(api_key=os.getenv("GATEWAY_KEY", "none"), http_options={"base_url": f"{GATEWAY}/gemini"})

for chunk in client.models.generate_content_stream(model="fast", contents="What is a plugin?"):
    print(chunk.text or "", end="", flush=True)

city = client.models.generate_content(
    model="fast",
    contents="Name a city by the sea.",
    config=types.GenerateContentConfig(
        response_mime_type="application/json",
        response_schema={"type": "OBJECT", "properties": {"city": {"type": "STRING"}}, "required": ["city"]},
    ),
)
print(f"\n{city.text}")
print(f"-- {city.sdk_http_response.headers['x-gateway-provider']}, {city.usage_metadata.total_token_count} tokens")

vectors = client.models.embed_content(model="embed", contents=["a cat", "a dog"])
print("vectors of", *(len(vector.values) for vector in vectors.embeddings))
