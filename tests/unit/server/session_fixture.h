// A session with a fake store and no socket: say() what the client sends, read what it gets.
#pragma once

#include <gtest/gtest.h>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "io/manual_loop.h"
#include "server/session.h"
#include "tests/unit/server/fake_store.h"

namespace kachel::server {

/// The array of bulk strings that clients send.
inline std::string request(const std::vector<std::string>& arguments) {
  std::string text = "*" + std::to_string(arguments.size()) + "\r\n";
  for (const std::string& argument : arguments) {
    text += "$" + std::to_string(argument.size()) + "\r\n" + argument + "\r\n";
  }
  return text;
}

class SessionTest : public ::testing::Test, public SessionHost {
 protected:
  SessionTest() {
    state.counters.push_back(std::make_unique<WorkerCounters>());
    state.run_id = std::string(40, 'a');
    state.listen_port = 6380;
    state.memory_bytes = 256 * kMiB;
    state.limits.turn_time = std::chrono::hours(1);  // a slow machine's turns end as others' do
    open();
  }
  ~SessionTest() override {
    if (session) session->abandon();
    session.reset();
    store.complete_all();
  }

  /// A new session, for instance after changing state.limits.
  void open() {
    client = std::make_shared<ClientRecord>();
    client->address = "127.0.0.1:4000";
    state.clients.add(client);
    session.reset(
        new Session({store, store, state, *state.counters[0], chunks, policies, *this}, client));
  }

  void feed(std::string_view bytes) { session->receive(bytes); }
  void send(const std::vector<std::string>& arguments) { session->receive(request(arguments)); }
  /// What has come back, up to now.
  std::string received() {
    std::string text = session->output().to_string();
    session->sent(text.size());
    return text;
  }
  std::string say(const std::vector<std::string>& arguments) {
    send(arguments);
    return received();
  }
  /// Runs what was put off to a later turn; whether there was any.
  bool next_turn() {
    if (!resume_asked) return false;
    resume_asked = false;
    session->resume();
    return true;
  }

  Entrance entrance() const override { return entrance_; }
  void output_ready(Session&) override { ++output_notices; }
  void resume_later(Session&) override { resume_asked = true; }
  void input_changed(Session&) override {}
  io::Loop& loop() override { return manual_loop; }

  FakeStore store;
  io::ManualLoop manual_loop{store.clock};
  ServerState state;
  PolicyReader policies{state.policy};
  ChunkPool chunks;
  ClientRegistry::Pointer client;
  SessionPointer session;
  int output_notices = 0;
  bool resume_asked = false;
  Entrance entrance_ = Entrance::kLoopback;
};

}  // namespace kachel::server
