#include "server/ledger.h"

#include <utility>

namespace kachel::server {

std::size_t Ledger::NameHash::operator()(const Name& name) const {
  return std::hash<std::string_view>()(name.model) + name.tenant;
}

const Ledger::Account& Ledger::account_of(std::uint32_t tenant, std::string_view model) {
  if (const std::uint64_t generation = source_.generation(); generation != prices_of_) {
    prices_of_ = generation;
    last_ = nullptr;
    accounts_.clear();
  }
  if (last_ != nullptr && last_->tenant == tenant && last_->model == model) return *last_;
  const auto found = accounts_.find(Name{tenant, model});
  const Account& account =
      found != accounts_.end() ? *found->second : open_account({tenant, model});
  last_ = &account;
  return account;
}

const Ledger::Account& Ledger::open_account(const Name& name) {
  if (accounts_.size() == kMaxAccounts) accounts_.clear();
  auto account = std::make_unique<Account>();
  account->tenant = name.tenant;
  account->model = name.model;
  account->numbers = &meter_.model(models_.slot_of(name.tenant, name.model));
  const PolicySource::Snapshot policies = source_.current();
  if (const ModelPrice* const price = policies->prices().find(name.model)) account->price = *price;
  const Name own{account->tenant, account->model};
  return *accounts_.emplace(own, std::move(account)).first->second;
}

/// Millionths of a US dollar: what the client said it cost, or what the price table makes of it.
double Ledger::worth(const Account& account, const Metadata& metadata) {
  if (metadata.cost_micro_usd > 0) return static_cast<double>(metadata.cost_micro_usd);
  return account.price.micro_usd(metadata.tokens_in, metadata.tokens_out);
}

void Ledger::count_hit(std::uint32_t tenant, const Found& found) {
  const Metadata& metadata = found.entry->metadata;
  const Account& account = account_of(tenant, metadata.model);
  ModelNumbers& numbers = *account.numbers;
  add_own(numbers.hits[static_cast<std::size_t>(found.tier)], std::uint64_t{1});
  if ((metadata.tokens_in | metadata.tokens_out | metadata.cost_micro_usd) == 0) return;
  add_own(numbers.tokens_in_saved, metadata.tokens_in);
  add_own(numbers.tokens_out_saved, metadata.tokens_out);
  add_own(numbers.usd_saved_micro, worth(account, metadata));
}

void Ledger::count_miss(std::uint32_t tenant) {
  add_own(account_of(tenant, {}).numbers->misses, std::uint64_t{1});
}

Ledger::Put Ledger::price_put(std::uint32_t tenant, const Metadata& metadata) {
  const Account& account = account_of(tenant, metadata.model);
  return {account.numbers, metadata.tokens_in, metadata.tokens_out, worth(account, metadata)};
}

void Ledger::count_put(const Put& put) {
  add_own(put.numbers->sets, std::uint64_t{1});
  add_own(put.numbers->tokens_in_set, put.tokens_in);
  add_own(put.numbers->tokens_out_set, put.tokens_out);
  add_own(put.numbers->usd_set_micro, put.usd_micro);
}

}  // namespace kachel::server
