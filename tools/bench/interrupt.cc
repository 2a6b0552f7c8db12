#include "tools/bench/interrupt.h"

#include <csignal>

namespace kachel::bench {
namespace {

volatile std::sig_atomic_t interrupts = 0;

extern "C" void note_interrupt(int) {
  interrupts = 1;
}

}  // namespace

void catch_interrupts() {
  struct sigaction action {};
  action.sa_handler = note_interrupt;
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
}

bool is_interrupted() {
  return interrupts != 0;
}

}  // namespace kachel::bench
