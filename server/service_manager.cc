#include "server/service_manager.h"

#include <cstdint>
#include <systemd/sd-daemon.h>

namespace kachel::server {

std::chrono::microseconds ServiceManager::watchdog_interval() {
  std::uint64_t interval_us = 0;
  if (::sd_watchdog_enabled(0, &interval_us) <= 0) return {};
  return std::chrono::microseconds(interval_us);
}

void ServiceManager::tell_status(const std::string& text) {
  ::sd_notify(0, ("STATUS=" + text).c_str());
}

void ServiceManager::tell_ready(const std::string& status) {
  ::sd_notify(0, ("READY=1\nSTATUS=" + status).c_str());
}

void ServiceManager::tell_stopping() {
  ::sd_notify(0, "STOPPING=1\nSTATUS=stopping");
}

void ServiceManager::tell_alive() {
  ::sd_notify(0, "WATCHDOG=1");
}

}  // namespace kachel::server
