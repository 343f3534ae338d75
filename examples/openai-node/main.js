// Chat, speech and transcription by OpenAI's own client: nothing but its base URL says that a gateway answers.
import { createReadStream } from "node:fs";
import { writeFile } from "node:fs/promises";
import OpenAI from "openai";

const gateway = process.env.GATEWAY_URL ?? "http://127.0.0.1:8001";
const client = new OpenAI({ baseURL: `${gateway}/v1`, apiKey: process.env.GATEWAY_KEY ?? "none" });

// A stream, word by word; its last chunk has the usage, and what it cost.
const stream = await client.chat.completions.create({
  model: "fast",
  messages: [{ role: "user", content: "What is a plugin?" }],
  stream: true,
  stream_options: { include_usage: true },
});
for await (const { choices, usage } of stream) {
  process.stdout.write(choices[0]?.delta.content ?? "");
  if (usage) console.log(`\n-- ${usage.total_tokens} tokens, ${usage.cost_usd} USD`);
}

// What an answer says of itself is in its headers.
const { data, response } = await client.chat.completions
  .create({ model: "fast", messages: [{ role: "user", content: "Hello!" }] })
  .withResponse();
console.log(data.choices[0].message.content);
console.log(`-- ${response.headers.get("x-gateway-provider")}/${response.headers.get("x-gateway-model")}`);

// There and back: what is spoken is written down again.
const speech = await client.audio.speech.create({
  model: "speak",
  voice: "nova",
  input: "The quick brown fox jumps over the lazy dog.",
});
await writeFile("speech.mp3", Buffer.from(await speech.arrayBuffer()));
const heard = await client.audio.transcriptions.create({
  model: "transcribe",
  file: createReadStream("speech.mp3"),
});
console.log("heard:", heard.text);
