// Conversations with tools and streaming through the official OpenAI SDK for Node. Prints what was seen as JSON.
const OpenAI = require("openai");

const client = new OpenAI.OpenAI({ baseURL: process.env.AMAS_URL, apiKey: process.env.AMAS_TOKEN, maxRetries: 5 });
const parameters = { type: "object", properties: { city: { type: "string" } } };
const RESULTS = { weather: "rain", clock: "noon" };
const COMMAND = 'Please.\ncall weather {"city": "Oslo"}\ncall clock {"city": "Oslo"}';

async function chat() {
  const tools = Object.keys(RESULTS).map((name) => ({ type: "function", function: { name, parameters } }));
  const messages = [{ role: "user", content: COMMAND }];
  const asked = client.chat.completions.stream({ model: "default", messages, tools });
  const first = await asked.finalChatCompletion();
  const called = first.choices[0].message.tool_calls;
  messages.push(first.choices[0].message);
  for (const call of called) {
    messages.push({ role: "tool", tool_call_id: call.id, content: RESULTS[call.function.name] });
  }
  const options = { stream_options: { include_usage: true } };
  const told = client.chat.completions.stream({ model: "default", messages, tools, ...options });
  const last = await told.finalChatCompletion();
  return {
    calls: called.map((call) => [call.function.name, JSON.parse(call.function.arguments)]),
    finish: first.choices[0].finish_reason,
    text: last.choices[0].message.content,
    tokens: last.usage.total_tokens,
  };
}

async function responses() {
  const tools = Object.keys(RESULTS).map((name) => ({ type: "function", name, parameters, strict: false }));
  const input = [{ role: "user", content: COMMAND }];
  const asked = client.responses.stream({ model: "default", input, tools });
  const kinds = new Set();
  for await (const event of asked) kinds.add(event.type);
  const first = await asked.finalResponse();
  const called = first.output.filter((item) => item.type === "function_call");
  input.push(...first.output);
  for (const call of called) {
    input.push({ type: "function_call_output", call_id: call.call_id, output: RESULTS[call.name] });
  }
  const last = await client.responses.create({ model: "default", input, tools });
  return {
    kinds: [...kinds].sort(),
    calls: called.map((call) => [call.name, JSON.parse(call.arguments)]),
    text: last.output_text,
    tokens: last.usage.total_tokens,
  };
}

async function rest() {
  const names = [];
  for await (const model of client.models.list()) names.push(model.id);
  const vectors = await client.embeddings.create({ model: "default", input: ["one", "two"] });
  let refused = null;
  try {
    await client.chat.completions.create({ model: "no-such-route", messages: [{ role: "user", content: "hi" }] });
  } catch (error) {
    refused = { notFound: error instanceof OpenAI.NotFoundError, type: error.type, id: Boolean(error.requestID) };
  }
  return { names, vectors: vectors.data.map((entry) => entry.embedding.length), refused };
}

(async () => {
  console.log(JSON.stringify({ chat: await chat(), responses: await responses(), rest: await rest() }));
})();
