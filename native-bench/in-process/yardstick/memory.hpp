/* Tables that are reserved at once, read as zero, and are taken from the system page by page as they are touched. */
#pragma once

#include <cstddef>
#include <cstdlib>

constexpr size_t page_bytes = 4096;

template <typename T>
class Table {
 public:
  explicit Table(size_t count) : values_(static_cast<T*>(std::calloc(count, sizeof(T)))) {
    if (values_ == nullptr) std::abort();
  }
  ~Table() { std::free(values_); }
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;

  /* Has the system provide the pages of the first `count` values, none of which is in use. */
  void prepare(size_t count) {
    // Volatile, or the compiler would know that a zero is written where one is.
    volatile char* const bytes = reinterpret_cast<volatile char*>(values_);
    for (size_t i = 0; i < count * sizeof(T); i += page_bytes) bytes[i] = 0;
  }

  T& operator[](size_t i) { return values_[i]; }
  const T& operator[](size_t i) const { return values_[i]; }

 private:
  T* const values_;
};
