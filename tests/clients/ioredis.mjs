import assert from "node:assert/strict";
import { Redis } from "ioredis";
import { port, ran, versionOf } from "./lib.mjs";

const client = new Redis(port, "127.0.0.1", { maxRetriesPerRequest: 1, connectionName: "tests" });
const errors = [];
client.on("error", (error) => errors.push(error));

assert.equal(await client.set("k", "v", "EX", 100), "OK");
assert.equal(await client.get("k"), "v");
assert.ok((await client.ttl("k")) > 90);
assert.deepEqual(await client.mget("k", "absent"), ["v", null]);
const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
await client.set("bytes", bytes);
assert.deepEqual(await client.getBuffer("bytes"), bytes);
assert.equal(await client.incrby("n", 41), 41);
assert.equal(await client.append("k", "!"), 2);

assert.equal(await client.hset("hash", { a: "1", b: "2" }), 2);
assert.deepEqual(await client.hgetall("hash"), { a: "1", b: "2" });
assert.deepEqual(await client.hmget("hash", "a", "x"), ["1", null]);
assert.equal(await client.hincrby("hash", "a", 4), 5);
assert.equal(await client.hdel("hash", "a"), 1);
await assert.rejects(client.get("hash"), /WRONGTYPE/);
const names = [];
for await (const page of client.hscanStream("hash")) names.push(...page);
assert.deepEqual(names, ["b", "2"]);
const keys = new Set();
for await (const page of client.scanStream({ match: "*", count: 2 })) page.forEach((key) => keys.add(key));
assert.deepEqual([...keys].sort(), ["bytes", "hash", "k", "n"]);

assert.deepEqual(await client.multi().set("m", "1").incr("m").get("m").exec(),
                 [[null, "OK"], [null, 2], [null, "2"]]);
await client.watch("m");
const other = client.duplicate();
await other.set("m", "10");
assert.equal(await client.multi().set("m", "3").exec(), null);
assert.equal(await client.get("m"), "10");

const pipeline = client.pipeline();
for (let i = 0; i < 1000; i++) pipeline.set(`p${i}`, `v${i}`).get(`p${i}`);
const replies = await pipeline.exec();
assert.ok(replies.every(([error, value], i) => error === null && (i % 2 === 0 ? value === "OK" : value === `v${(i - 1) / 2}`)));

assert.equal(await client.flushall(), "OK");
assert.equal(await client.dbsize(), 0);
assert.deepEqual(errors, []);
await Promise.all([client.quit(), other.quit()]);
ran("ioredis", versionOf("ioredis"));
