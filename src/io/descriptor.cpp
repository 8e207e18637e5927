#include "io/descriptor.hpp"

namespace co_wq::io {

descriptor_table::~descriptor_table() {
    for (chunk* page : chunks_) delete page;
}

descriptor& descriptor_table::add(native_handle handle, descriptor_kind kind, bool owned) {
    if (free_.empty()) {
        auto* page = new chunk;
        const auto base = static_cast<std::uint32_t>(chunks_.size()) * chunk_entries;
        chunks_.push_back(page);
        free_.reserve(chunks_.size() * chunk_entries);
        for (std::uint32_t i = chunk_entries; i-- > 0;) {
            page->entries[i].index = base + i;
            free_.push_back(base + i);
        }
    }
    descriptor& entry = at(free_.back());
    free_.pop_back();
    const std::uint32_t generation = entry.generation;
    const std::uint32_t index = entry.index;
    entry = descriptor{};
    entry.generation = generation;
    entry.index = index;
    entry.handle = handle;
    entry.kind = kind;
    entry.owned = owned;
    entry.used = true;
    ++live_;
    return entry;
}

void descriptor_table::remove(descriptor& entry) noexcept {
    CO_WQ_ASSERT(entry.used && entry.pins == 0 && !entry.reader && !entry.writer,
                 "an entry is removed when nothing waits on it and the kernel holds nothing of it");
    entry.used = false;
    entry.handle = no_handle;
    if (++entry.generation == 0) entry.generation = 1;
    free_.push_back(entry.index);
    --live_;
}

descriptor* descriptor_table::find(op_tag tag) noexcept {
    if (tag.index / chunk_entries >= chunks_.size()) return nullptr;
    descriptor& entry = at(tag.index);
    return entry.used && entry.generation == tag.generation ? &entry : nullptr;
}

}  // namespace co_wq::io
