import assert from "node:assert/strict";
import { createClient, WatchError } from "redis";
import { ran, url, versionOf } from "./lib.mjs";

for (const RESP of [2, 3]) {
  const client = createClient({ url, RESP, name: "tests" });
  const errors = [];
  client.on("error", (error) => errors.push(error));
  await client.connect();

  assert.equal(await client.set("k", "v", { expiration: { type: "EX", value: 100 } }), "OK");
  assert.equal(await client.get("k"), "v");
  assert.ok((await client.ttl("k")) > 90);
  assert.deepEqual(await client.mGet(["k", "absent"]), ["v", null]);
  assert.equal(await client.hSet("hash", { a: "1", b: "2" }), 2);
  assert.deepEqual({ ...(await client.hGetAll("hash")) }, { a: "1", b: "2" });
  assert.deepEqual(await client.hmGet("hash", ["a", "x"]), ["1", null]);
  assert.equal(await client.hIncrByFloat("hash", "a", 0.5), "1.5");
  assert.equal(await client.type("hash"), "hash");
  await assert.rejects(client.get("hash"), /WRONGTYPE/);
  const fields = [];
  for await (const page of client.hScanIterator("hash")) fields.push(...page.map(({ field }) => field));
  assert.deepEqual(fields.sort(), ["a", "b"]);
  assert.equal(await client.expire("hash", 100), 1);
  assert.equal(await client.rename("hash", "renamed"), "OK");
  assert.ok((await client.ttl("renamed")) > 90);

  assert.deepEqual(await client.multi().set("m", "1").incr("m").exec(), ["OK", 2]);
  await client.watch("m");
  const other = client.duplicate();
  other.on("error", (error) => errors.push(error));
  await other.connect();
  await other.set("m", "10");
  await assert.rejects(client.multi().set("m", "3").exec(), WatchError);
  assert.equal(await client.get("m"), "10");

  assert.equal(await client.json.set("j", "$", { a: [1, 2.5, null] }), "OK");
  assert.deepEqual(await client.json.get("j"), { a: [1, 2.5, null] });
  assert.equal(await client.dbSize(), 4);
  assert.match(await client.info("server"), /redis_version:7\.2/);
  assert.equal(await client.flushAll(), "OK");
  assert.deepEqual(errors, []);
  await other.close();
  await client.close();
}
ran("redis", versionOf("redis"));
