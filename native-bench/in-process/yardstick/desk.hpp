/*
 * Who asks: checks orders, claims in-flight slots, fills the request ring, and keeps the replies in columns, as
 * src/acceptor/order-desk.ts and dispatcher.ts do for `placeOrders`. Left out: objects in and out, looking sale and SKU up
 * by name, deadlines being swept, the event loop.
 */
#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "clock.hpp"
#include "pause.hpp"
#include "records.hpp"
#include "ring.hpp"
#include "shard.hpp"
#include "stock.hpp"

/* Outcomes of a batch, in columns. */
struct Outcomes {
  explicit Outcomes(size_t count) : words(count * 6), times(count * 2) {}

  void keep(size_t index, const Reply& reply) {
    int32_t* at = &words[index * 6];
    at[0] = reply.outcome;
    at[1] = reply.row;
    at[2] = reply.order_number;
    at[3] = reply.quantity;
    at[4] = reply.sequence;
    at[5] = reply.status;
    times[index * 2] = reply.created_at_ms;
    times[index * 2 + 1] = reply.expires_at_ms;
    accepted += reply.outcome == done;
    settled += 1;
  }

  int32_t outcome(size_t index) const { return words[index * 6]; }
  int32_t order_number(size_t index) const { return words[index * 6 + 2]; }

  std::vector<int32_t> words;
  std::vector<double> times;
  size_t accepted = 0;
  size_t settled = 0;
};

class Desk {
 public:
  /* `same_thread` is the shard where it is turned by this thread, or nullptr where it has one of its own. */
  Desk(Ring<Request>& requests, Ring<Reply>& replies, const StockRow& row, Shard* same_thread)
      : requests_(requests), replies_(replies), row_(row), same_thread_(same_thread) {
    for (uint32_t i = 0; i < slots; i++) free_[i] = slots - 1 - i;
  }

  /* Places an order of one unit for every buyer, and returns when all are answered. */
  Outcomes place(const std::vector<std::string>& buyers) {
    Outcomes outcomes(buyers.size());
    now_ms_ = wall_clock_ms();
    for (size_t i = 0; i < buyers.size(); i++) {
      if (row_.available() == 0) std::abort();
      while (free_count_ <= slots_reserved) step();
      send(buyers[i], outcomes, i);
    }
    while (outcomes.settled < buyers.size()) step();
    return outcomes;
  }

 private:
  static constexpr uint32_t slots = 8192;
  static constexpr uint32_t slots_reserved = slots / 8;
  static constexpr uint32_t publish_count_max = 256;
  static constexpr double reply_deadline_ms = 5000;
  static constexpr uint32_t spins_max = 2000;

  void send(const std::string& buyer, Outcomes& outcomes, size_t index) {
    const size_t bytes = buyer.size();
    if (bytes < 1 || bytes > text_bytes_max) std::abort();
    if (unpublished_ >= publish_count_max) publish();
    Request* request = requests_.claim();
    if (request == nullptr) std::abort();
    unpublished_ += 1;
    const uint32_t slot = free_[--free_count_];
    waiting_[slot] = {&outcomes, static_cast<int32_t>(index), generations_[slot], now_ms_ + reply_deadline_ms};
    request->opcode = opcode_place;
    request->slot = static_cast<int32_t>(slot);
    request->generation = generations_[slot];
    request->row = 0;
    request->revision = sale_revision;
    request->quantity = 1;
    write_text(request->text, buyer);
    request->lengths = static_cast<int32_t>(bytes);
    dispatched_ += 1;
  }

  /* Copies a name, padded to a whole word, and checks on the way that it is printable. */
  static void write_text(uint32_t* to, const std::string& text) {
    bool printable = true;
    for (const char unit : text) printable &= unit >= 0x20 && unit <= 0x7e;
    if (!printable) std::abort();
    to[(text.size() - 1) / 4] = 0;
    std::memcpy(to, text.data(), text.size());
  }

  void publish() {
    unpublished_ = 0;
    if (!requests_.publish() || same_thread_ == nullptr) return;
    while (same_thread_->turn()) drain();
  }

  /* Publishes what was gathered, takes what was answered, and gives way where that was nothing. */
  void step() {
    publish();
    now_ms_ = wall_clock_ms();
    if (drain() > 0) {
      spins_ = 0;
      return;
    }
    if (++spins_ < spins_max) pause_core();
    else std::this_thread::yield();
  }

  uint32_t drain() {
    const uint32_t count = replies_.waiting();
    for (uint32_t i = 0; i < count; i++) {
      const Reply& reply = replies_.at(i);
      const uint32_t slot = static_cast<uint32_t>(reply.slot);
      if (generations_[slot] != reply.generation) std::abort();
      generations_[slot] += 1;
      free_[free_count_++] = slot;
      waiting_[slot].outcomes->keep(static_cast<size_t>(waiting_[slot].token), reply);
    }
    if (count > 0) replies_.release(count);
    return count;
  }

  /* Nobody reads generation and deadline here; leiniao writes them for every order, so they are in the time. */
  struct Waiting {
    Outcomes* outcomes;
    int32_t token;
    int32_t generation;
    double deadline_ms;
  };

  Producer<Request> requests_;
  Consumer<Reply> replies_;
  const StockRow& row_;
  Shard* const same_thread_;
  Waiting waiting_[slots] = {};
  int32_t generations_[slots] = {};
  uint32_t free_[slots];
  uint32_t free_count_ = slots;
  uint32_t unpublished_ = 0;
  uint32_t spins_ = 0;
  double now_ms_ = 0;
  /* Written and never read, as by an engine whose metrics nobody asks for. */
  double dispatched_ = 0;
};
