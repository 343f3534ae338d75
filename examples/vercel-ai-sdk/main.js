// A stream, an object of a given shape, a tool, speech and transcription by the AI SDK, from one provider with a base URL.
import { File } from "node:buffer";
import { writeFile } from "node:fs/promises";
import { createOpenAI } from "@ai-sdk/openai";
import {
  experimental_generateSpeech as generateSpeech,
  experimental_transcribe as transcribe,
  generateText,
  Output,
  streamText,
  tool,
} from "ai";
import { z } from "zod";

const url = process.env.GATEWAY_URL ?? "http://127.0.0.1:8001";
const gateway = createOpenAI({ baseURL: `${url}/v1`, apiKey: process.env.GATEWAY_KEY ?? "none" });

const { textStream, response } = streamText({ model: gateway("fast"), prompt: "What is a plugin?" });
for await (const text of textStream) process.stdout.write(text);
console.log(`\n-- ${(await response).headers["x-gateway-provider"]}`);

const { output } = await generateText({
  model: gateway("fast"),
  prompt: "Name a city by the sea.",
  output: Output.object({ schema: z.object({ city: z.string() }) }),
});
console.log(output);

const tide = tool({
  description: "When the tide is high.",
  inputSchema: z.object({ port: z.string() }),
  execute: ({ port }) => `High at ${port} at 14:10.`,
});
const { toolResults } = await generateText({
  model: gateway("fast"),
  prompt: "Please get_tide of Cuxhaven.",
  tools: { get_tide: tide },
});
console.log(toolResults[0].output);

globalThis.File ??= File; // Node 18 has it, but not for everybody
const { audio } = await generateSpeech({
  model: gateway.speech("speak"),
  voice: "nova",
  text: "The quick brown fox jumps over the lazy dog.",
});
await writeFile("speech.mp3", audio.uint8Array);
const { text } = await transcribe({ model: gateway.transcription("transcribe"), audio: audio.uint8Array });
console.log("heard:", text);
