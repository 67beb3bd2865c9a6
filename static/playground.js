// The playground: asks the gateway as any program does, shows the answer as it comes, and the same call as text.
const form = document.getElementById("playground");
const answer = document.getElementById("answer");
const spent = document.getElementById("spent");
const stop = document.getElementById("stop");
const send = form.querySelector("[name=send]");
let running = null;

function asked() {
  const messages = [];
  if (form.system.value.trim()) messages.push({ role: "system", content: form.system.value });
  messages.push({ role: "user", content: form.message.value });
  const body = { model: form.model.value, messages };
  const temperature = Number.parseFloat(form.temperature.value.replace(",", "."));
  if (Number.isFinite(temperature) && temperature !== 1) body.temperature = temperature;
  const most = Number.parseInt(form.most.value, 10);
  if (most > 0) body.max_tokens = most;
  return body;
}

// The three texts. JSON is also how Python and JavaScript write texts, numbers and lists.
function write() {
  const { origin } = form.dataset;
  const body = asked();
  const quoted = JSON.stringify(body).replaceAll("'", "'\\''");
  document.getElementById("curl").textContent = [
    `curl ${origin}/v1/chat/completions \\`,
    '  -H "Authorization: Bearer $GPTNL_KEY" \\',
    '  -H "Content-Type: application/json" \\',
    `  -d '${quoted}'`,
  ].join("\n");
  const values = Object.entries(body).map(([name, value]) => [name, JSON.stringify(value)]);
  document.getElementById("python").textContent = [
    "import os",
    "from openai import OpenAI",
    "",
    "client = OpenAI(",
    `    base_url="${origin}/v1",`,
    '    api_key=os.environ["GPTNL_KEY"],',
    ")",
    "answer = client.chat.completions.create(",
    ...values.map(([name, value]) => `    ${name}=${value},`),
    ")",
    "print(answer.choices[0].message.content)",
  ].join("\n");
  document.getElementById("javascript").textContent = [
    'import OpenAI from "openai";',
    "",
    "const client = new OpenAI({",
    `  baseURL: "${origin}/v1",`,
    "  apiKey: process.env.GPTNL_KEY,",
    "});",
    "const answer = await client.chat.completions.create({",
    ...values.map(([name, value]) => `  ${name}: ${value},`),
    "});",
    "console.log(answer.choices[0].message.content);",
  ].join("\n");
}

// The data of server-sent events (WHATWG HTML, 9.2), one by one.
async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      if (line.startsWith("data:")) yield line.slice(5).trim();
    }
  }
}

function say(text) {
  spent.textContent = text;
}

function begin() {
  document.getElementById("no-answer").hidden = true;
  answer.hidden = false;
  answer.textContent = "";
  say("");
  stop.hidden = false;
  send.disabled = true;
  running = new AbortController();
}

function end() {
  running = null;
  stop.hidden = true;
  send.disabled = false;
}

async function ask() {
  const response = await fetch("/v1/chat/completions", {
    method: "POST",
    credentials: "omit",
    signal: running.signal,
    headers: { "Content-Type": "application/json", Authorization: `Bearer ${form.key.value.trim()}` },
    body: JSON.stringify({ ...asked(), stream: true, stream_options: { include_usage: true } }),
  });
  if (!response.ok) {
    const body = await response.json().catch(() => null);
    throw new Error(body?.error?.message ?? form.dataset.away);
  }
  const left = response.headers.get("x-ratelimit-remaining-tokens");
  for await (const data of events(response)) {
    if (data === "[DONE]") return;
    const event = JSON.parse(data);
    if (event.error) throw new Error(event.error.message);
    answer.textContent += event.choices?.[0]?.delta?.content ?? "";
    if (event.usage) {
      const { prompt_tokens: prompt, completion_tokens: completion } = event.usage;
      const used = form.dataset.tokens.replace("PROMPT", prompt).replace("COMPLETION", completion);
      say(left === null ? used : `${used} ${form.dataset.left.replace("LEFT", left)}`);
    }
  }
}

form.addEventListener("input", write);
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (running || !form.reportValidity()) return;
  begin();
  try {
    await ask();
  } catch (error) {
    const isStopped = error.name === "AbortError";
    const isAway = error instanceof TypeError;
    say(isStopped ? form.dataset.stopped : isAway ? form.dataset.away : error.message);
  } finally {
    end();
  }
});
stop.addEventListener("click", () => running?.abort());
// Ctrl or Cmd with Enter asks, also from the question.
form.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
});
write();
