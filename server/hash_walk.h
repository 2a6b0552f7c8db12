// Going through the fields of one hash, a page at a time. Worker thread only.
#pragma once

#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>
#include <string>
#include <vector>

#include "engine/store.h"

namespace kachel::server {

// Fields of a page: where only rows are read, and where a call is made for each.
inline constexpr std::size_t kRowsPage = 1024;
inline constexpr std::size_t kWritesPage = 256;
inline constexpr std::size_t kValuesPage = 64;

/// Reference-counted by the engine handlers it waits for.
class HashWalk : public boost::intrusive_ref_counter<HashWalk, boost::thread_unsafe_counter> {
 public:
  virtual ~HashWalk() = default;
  HashWalk(const HashWalk&) = delete;
  HashWalk& operator=(const HashWalk&) = delete;

  void start(Worker& worker, Namespace space, std::string_view hash);

 protected:
  HashWalk(Texts texts, std::size_t page) : texts_(texts), page_(page) {}
  /// Then calls next_page(), or stop().
  virtual void on_page(std::vector<HashField> fields) = 0;
  virtual void on_end(const Result<void>& end) = 0;

  void next_page();
  void stop(const Result<void>& end) { on_end(end); }
  Worker& worker() const { return *worker_; }
  Namespace space() const { return space_; }
  Namespace fields() const { return fields_of(space_); }
  const ZeroizingString& hash() const { return hash_; }
  boost::intrusive_ptr<HashWalk> self() { return this; }

 private:
  void ask();

  Texts texts_;
  std::size_t page_;
  Worker* worker_ = nullptr;
  Namespace space_;
  ZeroizingString hash_;
  std::uint64_t cursor_ = 0;
};

/// Makes a call for each field of a page, and goes on when all have answered.
class HashEach : public HashWalk {
 protected:
  explicit HashEach(std::size_t page) : HashWalk(Texts::kRead, page) {}
  /// Calls done() once.
  virtual void on_field(const HashField& field, const ZeroizingString& key) = 0;
  /// Whether to stop after this page.
  virtual bool is_enough() const { return false; }
  void done() { finished(nullptr); }
  void done(const Error& error) { finished(&error); }

 private:
  void on_page(std::vector<HashField> fields) final;
  void finished(const Error* error);

  std::size_t left_ = 0;
  std::optional<Error> failure_;
};

using HashHandler = UniqueFunction<void(Result<bool>)>;
/// All its fields; durable before the handler runs with whether there were any.
void erase_hash(Worker& worker, Namespace space, std::string_view hash, HashHandler handler);
/// Of all its fields, whatever they have.
void change_hash_expiry(Worker& worker, Namespace space, std::string_view hash,
                        std::int64_t expires_at_ms, HashHandler handler);

}  // namespace kachel::server
