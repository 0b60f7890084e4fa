/*
 * A single-producer, single-consumer ring of fixed-size records: Lamport's queue with cached cursors, as in
 * src/memory/ring.ts. Cursors run freely and stand two cache lines apart.
 */
#pragma once

#include <atomic>
#include <cstdint>

#include "memory.hpp"

template <typename Record>
class Ring {
 public:
  /* `capacity` is a power of two. */
  explicit Ring(uint32_t capacity) : capacity(capacity), records(capacity) {}

  Record& at(uint32_t cursor) { return records[cursor & (capacity - 1)]; }

  const uint32_t capacity;
  alignas(128) std::atomic<uint32_t> head{0};
  alignas(128) std::atomic<uint32_t> tail{0};

 private:
  alignas(128) Table<Record> records;
};

template <typename Record>
class Producer {
 public:
  explicit Producer(Ring<Record>& ring) : ring_(ring) {}

  /* A free record to fill, or nullptr when the ring is full. Not visible until `publish`. */
  Record* claim() {
    if (tail_ - head_seen_ == ring_.capacity) {
      head_seen_ = ring_.head.load(std::memory_order_acquire);
      if (tail_ - head_seen_ == ring_.capacity) return nullptr;
    }
    return &ring_.at(tail_++);
  }

  bool publish() {
    if (tail_ == published_) return false;
    // Orders after the writes of the records: a consumer that loads this tail sees them whole.
    ring_.tail.store(tail_, std::memory_order_release);
    published_ = tail_;
    return true;
  }

  uint32_t free() {
    head_seen_ = ring_.head.load(std::memory_order_acquire);
    return ring_.capacity - (tail_ - head_seen_);
  }

 private:
  Ring<Record>& ring_;
  uint32_t tail_ = 0;
  uint32_t published_ = 0;
  uint32_t head_seen_ = 0;
};

template <typename Record>
class Consumer {
 public:
  explicit Consumer(Ring<Record>& ring) : ring_(ring) {}

  uint32_t waiting() const { return ring_.tail.load(std::memory_order_acquire) - head_; }

  /* The i-th waiting record; valid until it is released. */
  Record& at(uint32_t i) { return ring_.at(head_ + i); }

  void release(uint32_t count) {
    head_ += count;
    // Orders after our reads: the producer that loads this head may overwrite the records.
    ring_.head.store(head_, std::memory_order_release);
  }

 private:
  Ring<Record>& ring_;
  uint32_t head_ = 0;
};
