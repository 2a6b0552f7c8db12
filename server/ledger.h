// Enters in a worker's Meter whom its reads and writes were for, and what they are worth. The
// worker's thread only.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/store.h"
#include "server/meter.h"
#include "server/policy_source.h"

namespace kachel::server {

class Ledger {
 public:
  /// The arguments outlive the ledger.
  Ledger(Meter& meter, ModelRegistry& models, const PolicySource& policies)
      : meter_(meter), models_(models), source_(policies) {}

  Meter& meter() { return meter_; }

  /// An entry was served.
  void count_hit(std::uint32_t tenant, const Found& found);
  void count_miss(std::uint32_t tenant);

  /// What a put would be worth: taken before it, as it takes the metadata with it.
  struct Put {
    ModelNumbers* numbers = nullptr;  // stays where it is
    std::uint64_t tokens_in = 0;
    std::uint64_t tokens_out = 0;
    double usd_micro = 0;
  };
  Put price_put(std::uint32_t tenant, const Metadata& metadata);
  /// It was stored.
  static void count_put(const Put& put);

 private:
  struct Account {
    std::uint32_t tenant = 0;
    std::string model;
    ModelNumbers* numbers = nullptr;
    ModelPrice price;
  };
  struct Name {
    std::uint32_t tenant;
    std::string_view model;
    friend bool operator==(const Name&, const Name&) = default;
  };
  struct NameHash {
    std::size_t operator()(const Name& name) const;
  };

  const Account& account_of(std::uint32_t tenant, std::string_view model);
  const Account& open_account(const Name& name);
  static double worth(const Account& account, const Metadata& metadata);

  // Names come from clients: past it they are looked up anew.
  static constexpr std::size_t kMaxAccounts = 1024;

  Meter& meter_;
  ModelRegistry& models_;
  const PolicySource& source_;
  std::uint64_t prices_of_ = 0;  // the generation of policies that the prices are from
  boost::unordered_flat_map<Name, std::unique_ptr<Account>, NameHash> accounts_;  // by their names
  const Account* last_ = nullptr;  // most reads are for the model of the one before
};

}  // namespace kachel::server
