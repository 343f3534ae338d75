"""A chain, a tool and a small search by LangChain: its OpenAI classes, and a base URL."""

import os

from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAIEmbeddings

GATEWAY = os.getenv("GATEWAY_URL", "http://127.0.0.1:8001")
access = {"base_url": f"{GATEWAY}/v1", "api_key": os.getenv("GATEWAY_KEY", "none")}
model = ChatOpenAI(model="fast", **access)

# Prompt, model, parser: streamed through all three.
prompt = ChatPromptTemplate.from_messages([("system", "You answer briefly."), ("user", "What is a {thing}?")])
chain = prompt | model | StrOutputParser()
for piece in chain.stream({"thing": "plugin"}):
    print(piece, end="", flush=True)
print()


@tool
def get_tide(port: str) -> str:
    """When the tide is high."""
    return f"High at {port} at 14:10."


call = model.bind_tools([get_tide]).invoke("Please get_tide of Cuxhaven.").tool_calls[0]
print(call["name"], "->", get_tide.invoke(call).content)

# LangChain splits texts by a vocabulary that it would download; the gateway takes them as they are.
embeddings = OpenAIEmbeddings(model="embed", check_embedding_ctx_length=False, **access)
texts = ["The harbour closes at ten.", "Bread is baked at five.", "The museum is free on Sundays."]
question = embeddings.embed_query("When is bread baked?")
vectors = embeddings.embed_documents(texts)
scores = [sum(a * b for a, b in zip(question, vector, strict=True)) for vector in vectors]
print("nearest:", texts[scores.index(max(scores))])
