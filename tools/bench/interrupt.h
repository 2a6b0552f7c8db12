// Ctrl-C ends a run early and still shows what was measured; a second one ends the program.
#pragma once

namespace kachel::bench {

void catch_interrupts();
bool is_interrupted();

}  // namespace kachel::bench
