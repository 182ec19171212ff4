// A conversation with tools and streaming through the official Anthropic SDK for Node. Prints what was seen as JSON.
const Anthropic = require("@anthropic-ai/sdk");

const client = new Anthropic.Anthropic({
  baseURL: process.env.AMAS_URL,
  apiKey: process.env.AMAS_TOKEN,
  authToken: null,
  maxRetries: 5,
});
const RESULTS = { weather: "rain", clock: "noon" };
const tools = Object.keys(RESULTS).map((name) => ({
  name,
  input_schema: { type: "object", properties: { city: { type: "string" } } },
}));

(async () => {
  const content = 'Please.\ncall weather {"city": "Oslo"}\ncall clock {"city": "Oslo"}';
  const messages = [{ role: "user", content }];
  const asked = { model: "default", max_tokens: 256, tools };
  const first = await client.messages.stream({ ...asked, messages }).finalMessage();
  const called = first.content.filter((block) => block.type === "tool_use");
  messages.push({ role: "assistant", content: first.content });
  messages.push({
    role: "user",
    content: called.map((block) => ({ type: "tool_result", tool_use_id: block.id, content: RESULTS[block.name] })),
  });
  const last = await client.messages.create({ ...asked, messages });
  let refused = null;
  try {
    await client.messages.create({ ...asked, model: "no-such-route", messages });
  } catch (error) {
    refused = { notFound: error instanceof Anthropic.NotFoundError, id: Boolean(error.requestID) };
  }
  console.log(
    JSON.stringify({
      calls: called.map((block) => [block.name, block.input]),
      stop: first.stop_reason,
      text: last.content.map((block) => block.text).join(""),
      tokens: last.usage.output_tokens,
      refused,
    }),
  );
})();
