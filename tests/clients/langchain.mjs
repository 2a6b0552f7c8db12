// The cache of completions that LangChain gives its models, under models that are made up.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { FakeListChatModel, FakeLLM } from "@langchain/core/utils/testing";
import { RedisCache } from "@langchain/redis";
import { ran, url, versionOf } from "./lib.mjs";

// The client that the package brings, an older one than the one tested alone.
const { createClient } = createRequire(createRequire(import.meta.url).resolve("@langchain/redis"))("redis");
const client = createClient({ url });
await client.connect();
const cache = new RedisCache(client);

const chat = new FakeListChatModel({ responses: ["first", "second"], cache });
const ask = async (prompt) => (await chat.invoke(prompt)).content;
assert.equal(await ask("What keeps the heat?"), "first");
assert.equal(await ask("What keeps the heat?"), "first");
assert.equal(await ask("And what else?"), "second");
assert.equal(await ask("What keeps the heat?"), "first");

let calls = 0;
class CountingLLM extends FakeLLM {
  async _call(prompt, options, manager) {
    calls++;
    return super._call(prompt, options, manager);
  }
}
const model = new CountingLLM({ response: "a tile", cache });
assert.equal(await model.invoke("Say it."), "a tile");
assert.equal(await model.invoke("Say it."), "a tile");
assert.equal(calls, 1);
assert.equal(await client.dbSize(), 3);
await client.quit();
ran("@langchain/redis", versionOf("@langchain/redis"));
