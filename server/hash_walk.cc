#include "server/hash_walk.h"

#include <utility>

#include "engine/field_key.h"

namespace kachel::server {

void HashWalk::start(Worker& worker, Namespace space, std::string_view hash) {
  worker_ = &worker;
  space_ = space;
  hash_ = hash;
  ask();
}

void HashWalk::ask() {
  worker_->list_fields(space_, hash_, cursor_, page_, texts_,
                       [keep = self()](Result<FieldPage> page) {
                         if (!page) return keep->on_end(page.error());
                         keep->cursor_ = page->cursor;
                         keep->on_page(std::move(page->fields));
                       });
}

void HashWalk::next_page() {
  if (cursor_ == 0) return on_end({});
  ask();
}

void HashEach::on_page(std::vector<HashField> fields) {
  const auto keep = self();
  left_ = fields.size() + 1;
  for (const HashField& field : fields)
    on_field(field, field_key(hash(), field.name));
  done();
}

void HashEach::finished(const Error* error) {
  if (error != nullptr) failure_ = *error;
  if (--left_ > 0) return;
  if (failure_) return stop(*failure_);
  if (is_enough()) return stop({});
  next_page();
}

namespace {

class EraseHash final : public HashEach {
 public:
  explicit EraseHash(HashHandler handler) : HashEach(kWritesPage), handler_(std::move(handler)) {}

 private:
  void on_field(const HashField&, const ZeroizingString& key) override {
    worker().erase(fields(), key, std::nullopt,
                   [keep = self(), this](Result<EraseOutcome> outcome) {
                     if (!outcome) return done(outcome.error());
                     had_any_ |= *outcome == EraseOutcome::kErased;
                     done();
                   });
  }
  void on_end(const Result<void>& end) override {
    if (!end) return handler_(end.error());
    handler_(had_any_);
  }

  HashHandler handler_;
  bool had_any_ = false;
};

class ChangeHashExpiry final : public HashEach {
 public:
  ChangeHashExpiry(std::int64_t expires_at_ms, HashHandler handler)
      : HashEach(kWritesPage), expires_at_ms_(expires_at_ms), handler_(std::move(handler)) {}

 private:
  void on_field(const HashField&, const ZeroizingString& key) override {
    worker().change_expiry(fields(), key, {expires_at_ms_, ExpiryCondition::kAlways, std::nullopt},
                           [keep = self(), this](Result<ExpiryOutcome> outcome) {
                             if (!outcome) return done(outcome.error());
                             had_any_ |= *outcome == ExpiryOutcome::kChanged ||
                                         *outcome == ExpiryOutcome::kErased;
                             done();
                           });
  }
  void on_end(const Result<void>& end) override {
    if (!end) return handler_(end.error());
    handler_(had_any_);
  }

  std::int64_t expires_at_ms_;
  HashHandler handler_;
  bool had_any_ = false;
};

}  // namespace

void erase_hash(Worker& worker, Namespace space, std::string_view hash, HashHandler handler) {
  const boost::intrusive_ptr<EraseHash> walk(new EraseHash(std::move(handler)));
  walk->start(worker, space, hash);
}

void change_hash_expiry(Worker& worker, Namespace space, std::string_view hash,
                        std::int64_t expires_at_ms, HashHandler handler) {
  const boost::intrusive_ptr<ChangeHashExpiry> walk(
      new ChangeHashExpiry(expires_at_ms, std::move(handler)));
  walk->start(worker, space, hash);
}

}  // namespace kachel::server
