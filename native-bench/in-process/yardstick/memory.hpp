/* Tables that are reserved at once, read as zero, and are taken from the system page by page as they are touched. */
#pragma once

#include <cstddef>
#include <cstdlib>

template <typename T>
class Table {
 public:
  explicit Table(size_t count) : values_(static_cast<T*>(std::calloc(count, sizeof(T)))) {
    if (values_ == nullptr) std::abort();
  }
  ~Table() { std::free(values_); }
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;

  T& operator[](size_t i) { return values_[i]; }
  const T& operator[](size_t i) const { return values_[i]; }

 private:
  T* const values_;
};
