/* The two clocks: wall-clock milliseconds that decisions are made at, and seconds to measure with. */
#pragma once

#include <chrono>
#include <cmath>

inline double wall_clock_ms() {
  using namespace std::chrono;
  return std::floor(duration<double, std::milli>(system_clock::now().time_since_epoch()).count());
}

inline double monotonic_seconds() {
  using namespace std::chrono;
  return duration<double>(steady_clock::now().time_since_epoch()).count();
}
