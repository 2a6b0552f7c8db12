// Readiness of many sockets in one Asio handler: an epoll set of the worker's own, whose
// descriptor Asio watches.
//
// Asio's own sockets ask the kernel once more after each read (a speculative read, or an
// epoll_ctl); here a turn costs one epoll_wait for all ready sockets, then one read and one
// write each. Level-triggered. Loop thread only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include "io/asio_loop.h"
#include "io/error.h"

namespace kachel::server {

class Poller {
 public:
  class Target {
   public:
    virtual ~Target() = default;
    /// `events`: of epoll. The target may remove itself or others.
    virtual void on_events(std::uint32_t events) = 0;
    /// Its last read brought as much as one may: there is likely more, and nobody waits for an
    /// answer yet. Of such targets a turn takes a few, in turns, after all others.
    virtual bool is_in_bulk() const { return false; }
    /// on_events() is about to be called, after those of some others: what can be done already for
    /// all of them together. Must not remove anybody.
    virtual void look_ahead(std::uint32_t events) { static_cast<void>(events); }
  };
  /// As many look ahead at a time.
  static constexpr std::size_t kGroup = 16;

  /// `looked_ahead`: a group has, and its events come now.
  explicit Poller(io::AsioLoop& loop, std::function<void()> looked_ahead = {});
  ~Poller();

  Result<void> add(int descriptor, std::uint32_t events, Target& target);
  void modify(int descriptor, std::uint32_t events, Target& target);
  /// The target is not called any more, not even for events already collected.
  void remove(int descriptor, Target& target);

 private:
  struct State;
  std::shared_ptr<State> state_;  // shared with the handler that waits
};

}  // namespace kachel::server
