// The table of what is served, which docs/openapi.yaml describes (a test compares them), and the
// way of a request to its handler.
#pragma once

#include <span>
#include <string_view>

#include "server/http/exchange.h"

namespace kachel::server::http {

/// Whose business an operation is.
enum class Asks : std::uint8_t { kNothing, kTenant, kServer };

struct Route {
  Verb method;
  std::string_view pattern;    // parts in braces match one segment; {tenant} is for authorize()
  std::string_view operation;  // operationId in docs/openapi.yaml; a label
  void (*handle)(Exchange& exchange);
  Asks asks_for = Asks::kTenant;
  bool needs_store = true;
};
/// Static storage.
std::span<const Route> routes();

/// Finds the route, asks authorize(), and answers: now or later. HEAD is served as GET.
void dispatch(Exchange& exchange);

// Handlers, one file a group.
void get_health(Exchange& exchange);
void get_readiness(Exchange& exchange);
void get_metrics(Exchange& exchange);
void get_openapi(Exchange& exchange);

void get_entry(Exchange& exchange);
void put_entry(Exchange& exchange);
void delete_entry(Exchange& exchange);
void get_metadata(Exchange& exchange);
void lease_entry(Exchange& exchange);

void erase(Exchange& exchange);
void list_erasures(Exchange& exchange);
void get_receipt(Exchange& exchange);
void place_hold(Exchange& exchange);
void list_holds(Exchange& exchange);
void release_hold(Exchange& exchange);

}  // namespace kachel::server::http
