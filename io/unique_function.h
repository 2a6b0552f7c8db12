// A move-only std::function. C++20 has none (std::move_only_function is C++23), and
// completion handlers own what they need: buffers, pins, other handlers.
#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

namespace kachel {

template <typename Signature>
class UniqueFunction;

template <typename R, typename... Args>
class UniqueFunction<R(Args...)> {
 public:
  UniqueFunction() noexcept = default;
  UniqueFunction(std::nullptr_t) noexcept {}  // NOLINT(google-explicit-constructor)

  // NOLINTBEGIN: an implicit conversion is the point, and the constraint keeps copies and moves
  // out, which clang-tidy 14 does not see.
  template <typename F>
  requires(!std::is_same_v<std::decay_t<F>, UniqueFunction> &&
           std::is_invocable_r_v<R, std::decay_t<F>&, Args...>) UniqueFunction(F&& function) {
    // NOLINTEND
    using Target = std::decay_t<F>;
    // NOLINTNEXTLINE(misc-redundant-expression): only for some targets
    if constexpr (sizeof(Target) <= kInlineBytes && alignof(Target) <= alignof(std::max_align_t) &&
                  std::is_nothrow_move_constructible_v<Target>) {
      ::new (storage()) Target(std::forward<F>(function));
      table_ = &kInlineTable<Target>;
    } else {
      ::new (storage()) Target*(new Target(std::forward<F>(function)));
      table_ = &kHeapTable<Target>;
    }
  }

  UniqueFunction(UniqueFunction&& other) noexcept { take(other); }
  UniqueFunction& operator=(UniqueFunction&& other) noexcept {
    if (this != &other) {
      reset();
      take(other);
    }
    return *this;
  }
  UniqueFunction(const UniqueFunction&) = delete;
  UniqueFunction& operator=(const UniqueFunction&) = delete;
  ~UniqueFunction() { reset(); }

  explicit operator bool() const noexcept { return table_ != nullptr; }

  R operator()(Args... args) { return table_->call(storage(), std::forward<Args>(args)...); }

 private:
  static constexpr std::size_t kInlineBytes = 48;  // holds most handlers without the heap

  struct Table {
    R (*call)(void*, Args&&...);
    void (*move)(void* from, void* to) noexcept;  // leaves `from` destroyed
    void (*destroy)(void*) noexcept;
  };

  template <typename T>
  static constexpr Table kInlineTable{
      [](void* self, Args&&... args) -> R {
        return (*static_cast<T*>(self))(std::forward<Args>(args)...);
      },
      [](void* from, void* to) noexcept {
        ::new (to) T(std::move(*static_cast<T*>(from)));
        static_cast<T*>(from)->~T();
      },
      [](void* self) noexcept { static_cast<T*>(self)->~T(); }};

  template <typename T>
  static constexpr Table kHeapTable{
      [](void* self, Args&&... args) -> R {
        return (**static_cast<T**>(self))(std::forward<Args>(args)...);
      },
      [](void* from, void* to) noexcept { ::new (to) T*(*static_cast<T**>(from)); },
      [](void* self) noexcept { delete *static_cast<T**>(self); }};

  void* storage() noexcept { return bytes_; }

  void take(UniqueFunction& other) noexcept {
    table_ = std::exchange(other.table_, nullptr);
    if (table_ != nullptr) table_->move(other.storage(), storage());
  }
  void reset() noexcept {
    if (table_ != nullptr) std::exchange(table_, nullptr)->destroy(storage());
  }

  const Table* table_ = nullptr;
  alignas(std::max_align_t) std::byte bytes_[kInlineBytes]{};
};

}  // namespace kachel
