/* What crosses between the threads, laid out as in src/memory/layout.ts. */
#pragma once

#include <cstddef>
#include <cstdint>

enum Outcome : int32_t { none, done, not_open, limit_reached, sold_out, overloaded };

constexpr int32_t status_held = 0;
constexpr int32_t durability_memory = 2;
constexpr uint32_t text_bytes_max = 64;

struct Request {
  int32_t opcode;
  int32_t slot;
  int32_t generation;
  int32_t row;
  int32_t revision;
  int32_t quantity;
  /* Text bytes | key bytes << 8 | sale state << 16. */
  int32_t lengths;
  int32_t order_number;
  uint32_t text[text_bytes_max / 4];
  uint32_t key[text_bytes_max / 4];
  double starts_at_ms;
  double ends_at_ms;
  int32_t hold_seconds;
  int32_t limit_per_buyer;
  int32_t sale_number;
  int32_t sale_state;
};

struct Reply {
  int32_t outcome;
  int32_t slot;
  int32_t generation;
  int32_t row;
  int32_t order_number;
  int32_t quantity;
  int32_t buyer_bytes;
  int32_t sequence;
  double created_at_ms;
  double expires_at_ms;
  /* Status | durability << 8. */
  int32_t status;
  int32_t unused[3];
  uint32_t buyer[text_bytes_max / 4];
};

static_assert(sizeof(Request) == 192 && offsetof(Request, text) == 32, "a request is what leiniao sends");
static_assert(sizeof(Reply) == 128 && offsetof(Reply, buyer) == 64, "a reply is what leiniao sends");

inline uint32_t text_words(uint32_t bytes) { return (bytes + 3) / 4; }
