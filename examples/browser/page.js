// A talk: the microphone's recording becomes text, the model's answer streams in, and is spoken.
const $ = (id) => document.getElementById(id);
const SAYS = {
  ready: "Speak",
  recording: "Stop",
  hearing: "Writing down …",
  thinking: "Thinking …",
  speaking: "Speaking …",
};
const talk = [{ role: "system", content: "You are spoken to, and your answer is read aloud. Be brief." }];

const asked = new URLSearchParams(location.search).get("gateway");
$("gateway").value = asked ?? localStorage.gateway ?? "http://127.0.0.1:8001";
$("gateway").onchange = () => { localStorage.gateway = $("gateway").value; };

let recorder;
$("record").onclick = () => {
  if (recorder?.state === "recording") recorder.stop();
  else record().catch(fail);
};

async function record() {
  $("error").hidden = true;
  const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
  const pieces = [];
  const began = Date.now();
  recorder = new MediaRecorder(stream);
  recorder.ondataavailable = ({ data }) => pieces.push(data);
  recorder.onstop = () => {
    clearInterval(clock);
    stream.getTracks().forEach((track) => track.stop());
    answer(new Blob(pieces, { type: recorder.mimeType })).catch(fail);
  };
  recorder.start();
  show("recording");
  const clock = setInterval(() => {
    $("state").textContent = `Stop (${Math.round((Date.now() - began) / 1000)} s)`;
  }, 250);
}

async function answer(recording) {
  show("hearing");
  const form = new FormData();
  form.append("model", "transcribe");
  // mp4 is what Safari records, webm the others
  form.append("file", recording, recording.type.includes("mp4") ? "talk.mp4" : "talk.webm");
  const heard = await ask("/v1/audio/transcriptions", { body: form });
  const { text } = await heard.json();
  if (!text) throw new Error("nothing was heard");
  write("user", text, heard);

  show("thinking");
  const question = { role: "user", content: text };
  const answered = await post("/v1/chat/completions", {
    model: "fast",
    messages: [...talk, question],
    stream: true,
    stream_options: { include_usage: true },
  });
  const line = write("assistant", "", answered);
  let said = "";
  for await (const { choices, usage, error } of events(answered)) {
    if (error) throw new Error(error.message);
    said += choices[0]?.delta.content ?? "";
    line.firstChild.data = said;
    if (usage) line.lastChild.append(price(usage.cost_usd));
    line.scrollIntoView({ block: "end" });
  }
  talk.push(question, { role: "assistant", content: said });

  show("speaking");
  const speech = await post("/v1/audio/speech", { model: "speak", voice: "nova", input: said });
  await play(await speech.blob());
  show("ready");
}

async function ask(path, init) {
  const key = $("key").value;
  const headers = { ...init.headers, ...(key && { authorization: `Bearer ${key}` }) };
  let response;
  try {
    response = await fetch($("gateway").value.replace(/\/$/, "") + path, { method: "POST", ...init, headers });
  } catch {
    throw new Error(`${$("gateway").value} does not answer this page: does it run, with ALLOWED_ORIGINS=${location.origin}?`);
  }
  if (response.ok) return response;
  const { error } = await response.json().catch(() => ({}));
  throw new Error(error?.message ?? `the gateway answered ${response.status}`);
}

function post(path, body) {
  return ask(path, { body: JSON.stringify(body), headers: { "content-type": "application/json" } });
}

// Yields the data of each event of a stream. One that ends without its end mark was cut.
async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) throw new Error("the answer broke off");
    const whole = (rest + value).split("\n");
    rest = whole.pop();
    for (const line of whole) {
      if (line === "data: [DONE]") return;
      if (line.startsWith("data: ")) yield JSON.parse(line.slice(6));
    }
  }
}

async function play(sound) {
  const audio = new Audio(URL.createObjectURL(sound));
  try {
    await new Promise((ended, failed) => {
      audio.onended = ended;
      audio.onerror = () => failed(new Error("the speech cannot be played"));
      audio.play().catch(failed);
    });
  } finally {
    URL.revokeObjectURL(audio.src);
  }
}

function write(who, text, response) {
  const head = (name) => response.headers.get(`x-gateway-${name}`);
  const receipt = document.createElement("small");
  receipt.textContent = `${head("provider")}/${head("model")}${price(head("cost-usd"))}`;
  const line = document.createElement("li");
  line.className = who;
  line.append(document.createTextNode(text), receipt);
  $("talk").append(line);
  line.scrollIntoView({ block: "end" });
  return line;
}

// Null before the end of a stream, and where a model has no price.
function price(usd) {
  return usd == null ? "" : ` · ${Number(usd)} USD`;
}

function show(state) {
  $("record").dataset.state = state;
  $("record").disabled = !["ready", "recording"].includes(state);
  $("state").textContent = SAYS[state];
}

function fail(error) {
  $("error").textContent = error.name === "NotAllowedError" ? "the microphone is not allowed to this page" : error.message;
  $("error").hidden = false;
  show("ready");
}
