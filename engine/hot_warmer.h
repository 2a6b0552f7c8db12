// Refills the hot tier after a start with what the manifest says it had, while the store serves:
// reads the entries in the order in which they lie on the device, and puts them back as they were
// used, those used most first. Where an entry lies the manifest knows, unless the log has a record
// of its key that is newer than the manifest; of the others the index knows. Within a budget of
// bytes a second, and with half as much at once while others read from the device. It takes only
// room that is free, and what clients have cached, changed or erased meanwhile is theirs. A copy
// that is in doubt begins once it serves what it came with.
//
// Log thread only; looking up and decoding are the blocking pool's, a step of a few milliseconds at
// a time.
#pragma once

#include <memory>

#include "engine/core.h"

namespace kachel {

class HotWarmer {
 public:
  explicit HotWarmer(Core& core) : core_(core) {}

  void start();
  /// No further steps; `done` once none is under way.
  void stop(io::Task done);

 private:
  struct Item;
  struct Work;
  struct Span;
  struct Batch;
  using WorkPointer = std::shared_ptr<Work>;

  void begin();
  void await_trust();
  void open(const WorkPointer& work);
  void find_changes(const WorkPointer& work);
  void read_changes(Work& work) const;
  void next_slice(const WorkPointer& work);
  void take_names(Work& work);
  void look_up(const WorkPointer& work);
  void look_up_some(Work& work);
  void next_batch(const WorkPointer& work);
  void rest(const WorkPointer& work, std::int64_t now_ns);
  void begin_batch(const WorkPointer& work, std::int64_t now_ns);
  void read(const std::shared_ptr<Batch>& batch);
  void on_read(const std::shared_ptr<Batch>& batch);
  void take_in(const std::shared_ptr<Batch>& batch);
  bool put_back(const Item& item, std::int64_t expires_at_ms, const Entry::Pointer& entry);
  void after(const std::shared_ptr<Batch>& batch);
  void tell(bool is_over);
  void end(const WorkPointer& work);

  Core& core_;
  WorkPointer resting_;  // until the timer
  io::Loop::TimerId rest_timer_ = 0;
  io::Loop::TimerId trust_timer_ = 0;
  bool busy_ = false;
  bool stopping_ = false;
  std::int64_t told_ns_ = 0;
  io::Task stopped_;
};

}  // namespace kachel
