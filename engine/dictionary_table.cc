#include "engine/dictionary_table.h"

#include <algorithm>
#include <mutex>
#include <utility>

#include "engine/segment.h"

namespace kachel {

void DictionaryTable::add(Dictionary::Pointer dictionary) {
  const std::unique_lock lock(mutex_);
  const std::uint64_t id = dictionary->id();
  dictionaries_.emplace(id, std::move(dictionary));
  any_.store(true, std::memory_order_release);
}

void DictionaryTable::elect(const Dictionary::Pointer& dictionary) {
  const std::unique_lock lock(mutex_);
  if (dictionaries_.contains(dictionary->id())) current_[dictionary->tenant()] = dictionary;
}

void DictionaryTable::depose(std::uint32_t tenant) {
  const std::unique_lock lock(mutex_);
  current_.erase(tenant);
}

void DictionaryTable::forget_unused() {
  if (!any_.load(std::memory_order_acquire)) return;
  const std::unique_lock lock(mutex_);
  std::erase_if(dictionaries_, [](const auto& item) { return item.second.use_count() == 1; });
  any_.store(!dictionaries_.empty(), std::memory_order_release);
}

bool DictionaryTable::is_sample(const Mac& mac, std::uint64_t version) const {
  if (!any_.load(std::memory_order_acquire)) return false;
  const std::shared_lock lock(mutex_);
  return std::any_of(dictionaries_.begin(), dictionaries_.end(),
                     [&](const auto& item) { return item.second->was_trained_on(mac, version); });
}

Dictionary::Pointer DictionaryTable::current(std::uint32_t tenant) const {
  if (!any_.load(std::memory_order_acquire)) return nullptr;
  const std::shared_lock lock(mutex_);
  const auto found = current_.find(tenant);
  return found == current_.end() ? nullptr : found->second;
}

std::vector<Dictionary::Pointer> DictionaryTable::all() const {
  const std::shared_lock lock(mutex_);
  std::vector<Dictionary::Pointer> all;
  for (const auto& [id, dictionary] : dictionaries_)
    all.push_back(dictionary);
  return all;
}

std::uint64_t DictionaryTable::memory_bytes() const {
  std::uint64_t bytes = 0;
  for (const Dictionary::Pointer& dictionary : all())
    bytes += dictionary->memory_bytes();
  return bytes;
}

template <typename Predicate>
void DictionaryTable::note_due_if(Predicate was_trained_on_it, std::int64_t due_ms,
                                  const SegmentTable& segments) {
  if (!any_.load(std::memory_order_acquire)) return;
  std::vector<Dictionary::Pointer> concerned;
  {
    const std::shared_lock lock(mutex_);
    for (const auto& [id, dictionary] : dictionaries_)
      if (was_trained_on_it(*dictionary)) concerned.push_back(dictionary);
  }
  for (const Dictionary::Pointer& dictionary : concerned)
    note_due(dictionary, due_ms, segments);
}

void DictionaryTable::note_due(const Dictionary::Pointer& dictionary, std::int64_t due_ms,
                               const SegmentTable& segments) {
  const std::int64_t before_ms = dictionary->due_ms();
  dictionary->note_due(due_ms);
  if (dictionary->due_ms() == before_ms) return;  // they are due by then already
  for (const SegmentPointer& segment : segments.all())
    if (segment->dictionary == dictionary) segment->note_due(due_ms);
}

void DictionaryTable::note_death(const Mac& mac, std::uint64_t version, std::int64_t due_ms,
                                 const SegmentTable& segments) {
  note_due_if([&](const Dictionary& d) { return d.was_trained_on(mac, version); }, due_ms,
              segments);
}

void DictionaryTable::note_fence(const Fence& fence, std::int64_t due_ms,
                                 const SegmentTable& segments) {
  note_due_if([&](const Dictionary& d) { return may_hold(d, fence); }, due_ms, segments);
}

bool may_hold(const Dictionary& dictionary, const Fence& fence) {
  if (dictionary.tenant() != fence.space.tenant) return false;
  if (!is_scope(fence.space)) {
    const std::uint8_t database = dictionary.stored().space.database;
    const bool is_meant =
        fence.space.database == format::kAllDatabases || fence.space.database == database;
    return is_meant && dictionary.was_trained_on_any(fence.version);
  }
  return dictionary.was_trained_on_scope(tag_of(fence.mac), fence.version);
}

}  // namespace kachel
