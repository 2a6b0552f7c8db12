// What systemd is told of the daemon, when it has started it (sd_notify): that it serves, what it
// is doing, and as long as it does, that it is alive.
#pragma once

#include <chrono>
#include <string>

namespace kachel::server {

class ServiceManager {
 public:
  /// How often it wants to hear that the daemon is alive; 0: never.
  static std::chrono::microseconds watchdog_interval();

  static void tell_status(const std::string& text);
  static void tell_ready(const std::string& status);
  static void tell_stopping();
  static void tell_alive();
};

}  // namespace kachel::server
