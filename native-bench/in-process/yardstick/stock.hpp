/* The counters of one SKU as everyone else sees them: the owner writes, anybody reads. Of src/memory/stock-table.ts. */
#pragma once

#include <atomic>
#include <cstdint>
#include <cstdlib>

struct Counters {
  int32_t total;
  int32_t available;
  int32_t held;
};

class alignas(128) StockRow {
 public:
  explicit StockRow(int32_t total) : total_(total), available_(total) {}

  int32_t available() const { return available_.load(); }

  Counters read() const { return {total_, available(), total_ - available()}; }

  /* Owner only: units that went into holds are one atomic subtraction. */
  void publish(int32_t before, int32_t now) {
    if (now < 0 || available_.fetch_sub(before - now) != before) std::abort();
  }

 private:
  const int32_t total_;
  std::atomic<int32_t> available_;
};
