/*
 * The shard: drain, decide, reply, as src/shard/loop.ts and order-commands.ts do it with durability memory. One sale, one
 * SKU, held orders. Left out: other commands, idempotency keys, expiry of holds, parking.
 */
#pragma once

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstdlib>

#include "buyers.hpp"
#include "clock.hpp"
#include "memory.hpp"
#include "records.hpp"
#include "ring.hpp"
#include "stock.hpp"

constexpr int32_t opcode_place = 1;
constexpr int32_t sale_number = 1;
constexpr int32_t sale_revision = 1;
constexpr double hold_ms = 300'000;

class Shard {
 public:
  Shard(Ring<Request>& requests, Ring<Reply>& replies, StockRow& row, uint32_t orders_max, int32_t limit_per_buyer)
      : requests_(requests),
        replies_(replies),
        row_(row),
        limit_per_buyer_(limit_per_buyer),
        orders_max_(orders_max),
        orders_(orders_max),
        buyers_(orders_max),
        own_(row.read()) {}

  /* Gets memory ready for so many orders, before the first of them, as leiniao does when a sale is made. */
  void prepare(uint32_t orders) {
    const uint32_t count = std::min(orders, prepared_orders_max);
    orders_.prepare(count);
    buyers_.prepare(count);
  }

  /* At most one batch. Returns whether there was anything to do. */
  bool turn() {
    now_ms_ = std::max(now_ms_, wall_clock_ms());
    const uint32_t count = std::min({requests_.waiting(), batch_count_max, replies_.free()});
    for (uint32_t i = 0; i < count; i += lanes) {
      const uint32_t group = std::min(lanes, count - i);
      answer(group);
      requests_.release(group);
      publish_stock();
      replies_.publish();
    }
    return count > 0;
  }

  /* To be read when the shard is at rest. */
  const char* buyer_of(int32_t order_number, uint32_t& bytes) const {
    return buyers_.name(orders_[order_number].buyer, bytes);
  }
  double accepted() const { return accepted_; }
  double refused() const { return refused_; }

 private:
  struct Order {
    double created_at_ms;
    int32_t buyer;
    int32_t sku;
    int32_t sequence;
    int32_t status;
    int32_t next_of_buyer;
    int32_t next_hold;
  };
  static_assert(sizeof(Order) == 32, "an order is as large as leiniao's");

  static constexpr uint32_t batch_count_max = 4096;
  static constexpr uint32_t lanes = 64;
  static constexpr uint32_t prepared_orders_max = 1 << 21;

  void answer(uint32_t count) {
    for (uint32_t lane = 0; lane < count; lane++) {
      const Request& request = requests_.at(lane);
      hashes_[lane] = buyer_hash(hash_seed, sale_number, request.text, request.lengths & 0xff);
      buyers_.prefetch(hashes_[lane]);
    }
    for (uint32_t lane = 0; lane < count; lane++) {
      const Request& request = requests_.at(lane);
      Reply* reply = replies_.claim();
      if (reply == nullptr) std::abort();
      reply->slot = request.slot;
      reply->generation = request.generation;
      reply->row = request.row;
      reply->buyer_bytes = 0;
      place(request, hashes_[lane], *reply);
      (reply->outcome == done ? accepted_ : refused_) += 1;
    }
  }

  /* Purchase limit, then stock, then the hold. */
  void place(const Request& request, uint32_t hash, Reply& reply) {
    const uint32_t buyer_bytes = request.lengths & 0xff;
    const int32_t quantity = request.quantity;
    if (request.opcode != opcode_place || request.revision != sale_revision) std::abort();
    if (buyer_bytes < 1 || buyer_bytes > text_bytes_max || quantity < 1) std::abort();
    if (now_ms_ < starts_at_ms_ || now_ms_ >= ends_at_ms_) return refuse(reply, not_open);
    const int32_t known = buyers_.find(hash, sale_number, request.text, buyer_bytes);
    const int32_t purchased = known == -1 ? 0 : buyers_.purchased(known, request.row);
    if (purchased + quantity > limit_per_buyer_) return refuse(reply, limit_reached);
    if (own_.available < quantity) return refuse(reply, sold_out);
    if (order_count_ == orders_max_ || !buyers_.has_room()) return refuse(reply, overloaded);
    // The limit is one, so whoever gets here has no order yet.
    if (known != -1) std::abort();
    accept(request, hash, buyer_bytes, reply);
  }

  static void refuse(Reply& reply, Outcome outcome) { reply.outcome = outcome; }

  void accept(const Request& request, uint32_t hash, uint32_t buyer_bytes, Reply& reply) {
    const int32_t number = static_cast<int32_t>(order_count_++);
    const int32_t quantity = request.quantity;
    sequence_ += 1;
    const int32_t buyer =
        buyers_.insert(hash, sale_number, request.text, buyer_bytes, number, request.row, quantity);
    Order& order = orders_[number];
    order.created_at_ms = now_ms_;
    order.buyer = buyer;
    order.sku = request.row | (quantity << 16);
    order.sequence = sequence_;
    order.status = status_held | (durability_memory << 8);
    own_.available -= quantity;
    own_.held += quantity;
    // Holds of one length run out in the order in which they were made: a queue threaded through the orders.
    if (last_hold_ == -1) first_hold_ = number;
    else orders_[last_hold_].next_hold = number + 1;
    last_hold_ = number;
    reply.outcome = done;
    reply.order_number = number;
    reply.quantity = quantity;
    reply.sequence = sequence_;
    reply.created_at_ms = now_ms_;
    reply.expires_at_ms = now_ms_ + hold_ms;
    reply.status = status_held | (durability_memory << 8);
  }

  void publish_stock() {
    if (published_available_ == own_.available) return;
    if (own_.available + own_.held != own_.total) std::abort();
    row_.publish(published_available_, own_.available);
    published_available_ = own_.available;
  }

  static constexpr uint32_t hash_seed = 0x9747b28c;

  Consumer<Request> requests_;
  Producer<Reply> replies_;
  StockRow& row_;
  const int32_t limit_per_buyer_;
  const double starts_at_ms_ = 0;
  const double ends_at_ms_ = INFINITY;
  const uint32_t orders_max_;
  Table<Order> orders_;
  uint32_t order_count_ = 0;
  BuyerTable buyers_;
  Counters own_;
  int32_t published_available_ = own_.available;
  int32_t sequence_ = 0;
  /* Where an expiry would begin: no hold lives that long here. */
  int32_t first_hold_ = -1;
  int32_t last_hold_ = -1;
  double now_ms_ = 0;
  double accepted_ = 0;
  double refused_ = 0;
  uint32_t hashes_[lanes] = {};
};
