/* hiredis: commands, pipelining and a transaction through the C client. Argument: the port. */
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void fail(const char* what, const redisReply* reply) {
  fprintf(stderr, "hiredis: %s: %s\n", what, reply != NULL && reply->str != NULL ? reply->str : "no reply");
  exit(1);
}

static void expect_text(redisReply* reply, const char* text) {
  if (reply == NULL || reply->str == NULL || strcmp(reply->str, text) != 0) fail(text, reply);
  freeReplyObject(reply);
}

static void expect_integer(redisReply* reply, long long value) {
  if (reply == NULL || reply->type != REDIS_REPLY_INTEGER || reply->integer != value) {
    fail("an integer was expected", reply);
  }
  freeReplyObject(reply);
}

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  redisContext* client = redisConnect("127.0.0.1", atoi(argv[1]));
  if (client == NULL || client->err != 0) {
    fprintf(stderr, "hiredis: can't connect\n");
    return 1;
  }
  expect_text(redisCommand(client, "SET k %b EX 100", "v\0w", (size_t)3), "OK");
  redisReply* got = redisCommand(client, "GET k");
  if (got == NULL || got->len != 3 || memcmp(got->str, "v\0w", 3) != 0) fail("GET k", got);
  freeReplyObject(got);
  expect_integer(redisCommand(client, "HSET h f 1 g 2"), 2);
  expect_text(redisCommand(client, "HGET h g"), "2");

  for (int i = 0; i < 1000; ++i) redisAppendCommand(client, "INCR n");
  for (int i = 1; i <= 1000; ++i) {
    void* reply = NULL;
    if (redisGetReply(client, &reply) != REDIS_OK) fail("pipeline", NULL);
    expect_integer(reply, i);
  }
  expect_text(redisCommand(client, "MULTI"), "OK");
  expect_text(redisCommand(client, "INCR n"), "QUEUED");
  redisReply* all = redisCommand(client, "EXEC");
  if (all == NULL || all->type != REDIS_REPLY_ARRAY || all->elements != 1 ||
      all->element[0]->integer != 1001) {
    fail("EXEC", all);
  }
  freeReplyObject(all);
  expect_text(redisCommand(client, "FLUSHALL"), "OK");
  redisFree(client);
  printf("ran hiredis %d.%d.%d\n", HIREDIS_MAJOR, HIREDIS_MINOR, HIREDIS_PATCH);
  return 0;
}
