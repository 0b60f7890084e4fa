/*
 * Who bought what: one entry per buyer, exact, as in src/shard/buyers.ts. Open addressing with linear probing over slots
 * of (hash, entry); the slots double when five eighths of them are taken, a few pages touched and a few slots moved
 * at each insert, unless the table was prepared for its buyers. Left out: a buyer's second SKU and second order, which
 * this load never has.
 */
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>

#include "memory.hpp"
#include "records.hpp"

/* Seeded MurmurHash3_x86_32 over whole words, as in src/text.ts. */
inline uint32_t rotated(uint32_t value, int bits) { return (value << bits) | (value >> (32 - bits)); }

inline uint32_t hash_word(uint32_t hash, uint32_t word) {
  uint32_t k = rotated(word * 0xcc9e2d51, 15) * 0x1b873593;
  return rotated(hash ^ k, 13) * 5 + 0xe6546b64;
}

inline uint32_t buyer_hash(uint32_t seed, int32_t sale, const uint32_t* name, uint32_t bytes) {
  uint32_t h = hash_word(hash_word(seed, static_cast<uint32_t>(sale)), bytes);
  for (uint32_t i = 0; i < text_words(bytes); i++) h = hash_word(h, name[i]);
  h = (h ^ (h >> 16)) * 0x85ebca6b;
  h = (h ^ (h >> 13)) * 0xc2b2ae35;
  return h ^ (h >> 16);
}

class BuyerTable {
 public:
  explicit BuyerTable(uint32_t max)
      : max_(max), entries_(max), names_(max * size_t{16}), slots_(new Table<Slot>(slots_at_start)) {}

  /* Gets memory ready for so many buyers. Before the first of them. */
  void prepare(uint32_t count) {
    uint32_t slots = slots_at_start;
    while (slots * load_factor_max < count) slots *= 2;
    slots_.reset(new Table<Slot>(slots));
    mask_ = slots - 1;
    slots_->prepare(slots);
    entries_.prepare(count);
    names_.prepare(count * size_t{name_words_prepared});
  }

  bool has_room() const { return count_ < max_; }

  void prefetch(uint32_t hash) const { __builtin_prefetch(&(*slots_)[hash & mask_]); }

  /* The entry of a buyer in a sale, or -1. */
  int32_t find(uint32_t hash, int32_t sale, const uint32_t* name, uint32_t bytes) const {
    const int32_t found = probe(*slots_, mask_, hash, sale, name, bytes);
    if (found != -1 || old_ == nullptr) return found;
    return probe(*old_, old_mask_, hash, sale, name, bytes);
  }

  int32_t insert(uint32_t hash, int32_t sale, const uint32_t* name, uint32_t bytes, int32_t order, int32_t row,
                 int32_t quantity) {
    if (!has_room()) std::abort();
    grow();
    const int32_t ref = static_cast<int32_t>(count_++);
    const uint32_t words = text_words(bytes);
    entries_[ref] = {sale, name_words_, bytes, order + 1, order + 1, row + 1, quantity, 0};
    for (uint32_t i = 0; i < words; i++) names_[name_words_ + i] = name[i];
    name_words_ += words;
    put({hash, ref + 1});
    return ref;
  }

  /* Units of the row that the buyer has. */
  int32_t purchased(int32_t ref, int32_t row) const {
    if (entries_[ref].row != row + 1) std::abort();
    return entries_[ref].units;
  }

  const char* name(int32_t ref, uint32_t& bytes) const {
    bytes = entries_[ref].name_bytes;
    return reinterpret_cast<const char*>(&names_[entries_[ref].name]);
  }

 private:
  struct Slot {
    uint32_t hash;
    /* Plus one, so that zeroed memory reads as "none". */
    int32_t entry;
  };
  struct Entry {
    int32_t sale;
    uint32_t name;
    uint32_t name_bytes;
    int32_t first_order;
    int32_t last_order;
    int32_t row;
    int32_t units;
    int32_t accounts;
  };
  static_assert(sizeof(Entry) == 32, "an entry is as large as leiniao's");

  static constexpr uint32_t slots_at_start = 4096;
  static constexpr double load_factor_max = 5.0 / 8;
  static constexpr uint32_t page_slots = page_bytes / sizeof(Slot);
  static constexpr uint32_t pages_touched_per_insert = 4;
  static constexpr uint32_t slots_moved_per_insert = 16;
  static constexpr uint32_t name_words_prepared = 4;

  int32_t probe(const Table<Slot>& slots, uint32_t mask, uint32_t hash, int32_t sale, const uint32_t* name,
                uint32_t bytes) const {
    for (uint32_t i = hash & mask;; i = (i + 1) & mask) {
      const int32_t ref = slots[i].entry - 1;
      if (ref == -1) return -1;
      if (slots[i].hash != hash) continue;
      const Entry& entry = entries_[ref];
      if (entry.name_bytes == bytes && entry.sale == sale &&
          std::equal(name, name + text_words(bytes), &names_[entry.name])) {
        return ref;
      }
    }
  }

  void put(Slot slot) {
    uint32_t i = slot.hash & mask_;
    while ((*slots_)[i].entry != 0) i = (i + 1) & mask_;
    (*slots_)[i] = slot;
  }

  /* One insert's share of growing. */
  void grow() {
    if (old_ != nullptr) {
      move();
    } else if (next_ != nullptr) {
      touch();
    } else if (count_ + 1 > (mask_ + 1) * load_factor_max) {
      next_.reset(new Table<Slot>((mask_ + 1) * size_t{2}));
      next_touched_ = 0;
    }
  }

  void touch() {
    const uint32_t slots = (mask_ + 1) * 2;
    const uint32_t end = std::min(next_touched_ + pages_touched_per_insert * page_slots, slots);
    for (uint32_t i = next_touched_; i < end; i += page_slots) {
      // Volatile, or the compiler would know that a zero is written where one is.
      const_cast<volatile uint32_t&>((*next_)[i].hash) = 0;
    }
    next_touched_ = end;
    if (end < slots) return;
    old_ = std::move(slots_);
    old_mask_ = mask_;
    old_moved_ = 0;
    slots_ = std::move(next_);
    mask_ = slots - 1;
  }

  void move() {
    const uint32_t end = std::min(old_moved_ + slots_moved_per_insert, old_mask_ + 1);
    for (uint32_t i = old_moved_; i < end; i++) {
      if ((*old_)[i].entry != 0) put((*old_)[i]);
    }
    old_moved_ = end;
    if (end > old_mask_) old_.reset();
  }

  const uint32_t max_;
  Table<Entry> entries_;
  Table<uint32_t> names_;
  uint32_t count_ = 0;
  uint32_t name_words_ = 0;
  std::unique_ptr<Table<Slot>> slots_;
  uint32_t mask_ = slots_at_start - 1;
  /* The next slots while they are being touched. */
  std::unique_ptr<Table<Slot>> next_;
  uint32_t next_touched_ = 0;
  /* The former slots while they are being moved. */
  std::unique_ptr<Table<Slot>> old_;
  uint32_t old_mask_ = 0;
  uint32_t old_moved_ = 0;
};
