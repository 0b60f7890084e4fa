/*
 * The yardstick: what leiniao does for an order, in C++17. Places an order for each of so many distinct buyers under a
 * purchase limit of one, in batches, checks what came of it, and prints the orders per second and how many were accepted.
 *
 *   decision THREADS BUYERS BATCH     THREADS is 2 (who asks and the shard) or 1 (both, in turns)
 */
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "clock.hpp"
#include "desk.hpp"
#include "pause.hpp"
#include "records.hpp"
#include "ring.hpp"
#include "shard.hpp"
#include "stock.hpp"

namespace {

constexpr uint32_t ring_capacity = 8192;
constexpr uint32_t orders_max = 1 << 23;
constexpr int32_t limit_per_buyer = 1;
constexpr uint32_t spins_max = 2000;
constexpr uint32_t checked_of = 1000;

void require(bool right, const char* what) {
  if (right) return;
  std::fprintf(stderr, "wrong: %s\n", what);
  std::exit(1);
}

std::string buyer_name(uint32_t number) { return "user-" + std::to_string(number); }

void run(Shard& shard, const std::atomic<bool>& stop) {
  for (uint32_t spins = 0;;) {
    if (shard.turn()) {
      spins = 0;
    } else if (stop.load()) {
      return;
    } else if (++spins < spins_max) {
      pause_core();
    } else {
      std::this_thread::yield();
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  require(argc == 4, "usage: decision THREADS BUYERS BATCH");
  const bool two_threads = std::atoi(argv[1]) == 2;
  const uint32_t buyers = static_cast<uint32_t>(std::atoll(argv[2]));
  const uint32_t batch = static_cast<uint32_t>(std::atoll(argv[3]));
  require(buyers > 0 && buyers < orders_max && batch > 0, "the sizes");

  Ring<Request> requests(ring_capacity);
  Ring<Reply> replies(ring_capacity);
  // One unit is left over, so that the last buyer meets the limit and not an empty shelf.
  StockRow row(static_cast<int32_t>(buyers) + 1);
  auto shard = std::make_unique<Shard>(requests, replies, row, orders_max, limit_per_buyer);
  shard->prepare(buyers);
  auto desk = std::make_unique<Desk>(requests, replies, row, two_threads ? nullptr : shard.get());
  std::atomic<bool> stop{false};
  std::thread thread;
  if (two_threads) thread = std::thread([&] { run(*shard, stop); });

  double spent_seconds = 0;
  size_t accepted = 0;
  std::vector<std::pair<uint32_t, int32_t>> checks;
  for (uint32_t from = 0; from < buyers; from += batch) {
    const uint32_t count = std::min(batch, buyers - from);
    // The making of requests is in the time, as it is with leiniao.
    const double started = monotonic_seconds();
    std::vector<std::string> names;
    names.reserve(count);
    for (uint32_t i = 0; i < count; i++) names.push_back(buyer_name(from + i));
    const Outcomes outcomes = desk->place(names);
    spent_seconds += monotonic_seconds() - started;
    accepted += outcomes.accepted;
    for (uint32_t i = 0; i < count; i += checked_of) checks.emplace_back(from + i, outcomes.order_number(i));
  }
  const Outcomes again = desk->place({buyer_name(0)});
  stop.store(true);
  if (two_threads) thread.join();

  require(accepted == buyers, "every buyer got his order");
  require(again.outcome(0) == limit_reached, "nobody gets a second one");
  require(shard->accepted() == buyers && shard->refused() == 1, "the shard counted the same");
  require(row.read().held == static_cast<int32_t>(buyers) && row.available() == 1, "the units sold are the orders");
  for (const auto& [buyer, order] : checks) {
    uint32_t bytes = 0;
    const char* name = shard->buyer_of(order, bytes);
    require(std::string(name, bytes) == buyer_name(buyer), "an order is its buyer's");
  }
  std::printf("{\"ordersPerSecond\":%.1f,\"accepted\":%zu}\n", buyers / spent_seconds, accepted);
  return 0;
}
