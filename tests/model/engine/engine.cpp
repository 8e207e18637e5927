#include "engine.hpp"

#include <link.h>

namespace model {

engine the_engine;
bool search_is_random = false;

namespace {
const rl::debug_info nowhere("", "", 0);

rl::thread_info_base& self() noexcept { return *rl::ctx().threadx_; }

// The thread-local variables of the program itself; its libraries keep theirs elsewhere.
int find_thread_locals(dl_phdr_info* object, std::size_t, void* out) {
    auto& found = *static_cast<std::pair<void*, std::size_t>*>(out);
    for (int i = 0; i < object->dlpi_phnum; ++i)
        if (object->dlpi_phdr[i].p_type == PT_TLS) found = {object->dlpi_tls_data, object->dlpi_phdr[i].p_memsz};
    return 1;  // the program comes first: that is all
}

template <unsigned threads>
void forget_readers(rl::atomic_data& data, unsigned record) noexcept {
    auto& all = static_cast<rl::atomic_data_impl<threads>&>(data);
    std::fill_n(all.history_[record].first_seen_order_, threads, rl::timestamp_t(-1));
}
}  // namespace

extern "C" char __data_start;
extern "C" char _end;

void engine::prepare() noexcept {
    heap_.prepare();
    on_heap_.cover(heap_.begin(), heap::bytes);
    in_data_.cover(reinterpret_cast<std::uintptr_t>(&__data_start), std::size_t(&_end - &__data_start));
    std::pair<void*, std::size_t> locals{};
    dl_iterate_phdr(&find_thread_locals, &locals);
    locals_ = locals.first;
    locals_bytes_ = locals.second;
    if (locals_bytes_ > most_locals) fail("too many thread-local variables for the model");
    std::memcpy(kept_locals_[max_threads + 1], locals_, locals_bytes_);
}

void engine::world(scenario* one) noexcept {
    world_ = one;
    heap_.keep();
}

void engine::begin_schedule(unsigned threads, rl::iteration_t number) noexcept {
    threads_ = threads;
    number_ = number;
    ++epoch_;
    atom_count_ = event_count_ = 0;
    heap_.reset();
    for (unsigned i = 0; i < threads; ++i) std::memcpy(kept_locals_[i], kept_locals_[max_threads + 1], locals_bytes_);
    phase_ = phase::begin;
    act_as(max_threads);
    world_->begin();
    act_as(max_threads);
    phase_ = phase::threads;
}

void engine::run_thread(unsigned index) noexcept {
    resumed();
    world_->thread(index);
}

void engine::end_schedule() noexcept {
    phase_ = phase::end;
    act_as(max_threads);
    world_->end();
    act_as(max_threads);
    if (heap_.live() != 0) {
        report("memory of this schedule was not freed: allocated", heap_.leaked_by());
        std::_Exit(found_fault);
    }
    for (unsigned i = 0; i < atom_count_; ++i) rl::ctx().atomic_dtor(atoms_[i].data);
    phase_ = phase::outside;
}

void engine::act_as(unsigned thread) noexcept {
    acting_ = thread;
    swap_thread_locals(thread);
}

void engine::swap_thread_locals(unsigned to) noexcept {
    if (to == locals_of_) return;
    std::memcpy(kept_locals_[locals_of_], locals_, locals_bytes_);
    std::memcpy(locals_, kept_locals_[to], locals_bytes_);
    locals_of_ = to;
}

// This fiber goes on; another one may have run meanwhile.
void engine::resumed() noexcept { swap_thread_locals(thread()); }

void engine::stop() noexcept {
    rl::ctx().sched();
    resumed();
}

void engine::pause() noexcept {
    rl::ctx().yield(1, nowhere);
    resumed();
}

void engine::park() noexcept {
    rl::ctx().park_current_thread(false, false, false, nowhere);
    resumed();
}

void engine::unpark(unsigned thread) noexcept { rl::ctx().unpark_thread(rl::thread_id_t(thread), false, nowhere); }

granule* engine::granule_at(std::uintptr_t address) noexcept {
    if (on_heap_.holds(address)) return &on_heap_.at(address, epoch_);
    if (in_data_.holds(address)) return &in_data_.at(address, epoch_);
    return nullptr;  // a stack, or thread-local: one thread's own
}

// The rule of happens-before: a write comes after all accesses of others, a read after all their writes.
void engine::check(cell& one, bool write, const void* from) noexcept {
    rl::thread_info_base& me = self();
    for (unsigned i = 0; i < threads_; ++i) {
        const stamp known = me.acq_rel_order_[i];
        if (known >= one.wrote[i] && (!write || known >= one.read[i])) continue;
        report(write ? "data race: a write" : "data race: a read", from);
        std::_Exit(found_fault);
    }
    (write ? one.wrote : one.read)[me.index_] = ++me.own_acq_rel_order_;
}

void engine::access(std::uintptr_t address, std::size_t bytes, bool write, const void* from) noexcept {
    for (const std::uintptr_t end = address + bytes; address < end;) {
        const unsigned offset = address & 7;
        const auto length = unsigned(std::min<std::size_t>(8 - offset, end - address));
        granule* const found = granule_at(address);
        if (!found) return;
        if (found->freed) {
            report("access to freed memory", from);
            std::_Exit(found_fault);
        }
        if (in_threads()) {
            if (!found->split && length != 8) {
                found->split = true;
                for (unsigned i = 1; i < 8; ++i) found->cells[i] = found->cells[0];
            }
            if (!found->split) {
                check(found->cells[0], write, from);
            } else {
                for (unsigned i = 0; i < length; ++i) check(found->cells[offset + i], write, from);
            }
            if (write) std::fill_n(found->atoms + offset, length, nullptr);  // an atomic is made anew there
        }
        address += length;
    }
}

// Stops the thread, then returns the atomic at address.
atom& engine::atom_at(std::uintptr_t address, unsigned bytes, bool write, const void* from) noexcept {
    region* const place = on_heap_.holds(address) ? &on_heap_ : in_data_.holds(address) ? &in_data_ : nullptr;
    if (!place) {
        report("an atomic on a stack: the scenario must allocate what threads share", from);
        std::_Exit(found_fault);
    }
    bool& hot = place->hot(address);
    const bool lasting = place == &in_data_ || heap_.kept(address);  // the same object in all schedules
    if (!hot && (write || !lasting)) {
        hot = true;
        if (lasting) std::_Exit(must_restart);  // schedules before this one did not stop at it
    }
    if (hot) stop();
    granule& found = place->at(address, epoch_);
    access(address, bytes, false, from);
    atom*& one = found.atoms[address & 7];
    if (one) return *one;
    if (atom_count_ == most_atoms) fail("too many atomics in one schedule");
    one = &atoms_[atom_count_++];
    *one = {rl::ctx().atomic_ctor(nullptr), 0, {}};
    std::memcpy(&one->value, reinterpret_cast<const void*>(address), bytes);
    // The value it was constructed with is older than everything any thread knows.
    const unsigned first = self().atomic_init(one->data);
    one->history[first] = one->value;
    switch (threads_) {
        case 2: forget_readers<2>(*one->data, first); break;
        case 3: forget_readers<3>(*one->data, first); break;
        default: forget_readers<4>(*one->data, first);
    }
    return *one;
}

std::uint64_t engine::newest(std::uintptr_t address) noexcept {
    const granule* const found = granule_at(address);
    return found && found->atoms[address & 7] ? found->atoms[address & 7]->value : 0;
}

void* engine::allocate(std::size_t size, std::size_t alignment, const void* from) noexcept {
    void* const memory = heap_.allocate(size, alignment, from);
    if (!memory) fail("the model's heap is full");
    return memory;
}

void engine::release(void* memory, const void* from) noexcept {
    std::size_t size = 0;
    const char* wrong = nullptr;
    switch (heap_.release(memory, size)) {
        case heap::verdict::freed: break;
        case heap::verdict::twice: wrong = "freed twice"; break;
        case heap::verdict::kept: wrong = "freed in a schedule what was allocated before the first"; break;
    }
    const auto address = reinterpret_cast<std::uintptr_t>(memory);
    if (wrong && running()) {
        report(wrong, from);
        std::_Exit(found_fault);
    }
    if (!running()) return;
    access(address, size, true, from);  // freeing races with whoever does not know of it
    note(operation::freed, from, address, size, 0);
    for (std::size_t i = 0; i < size; i += 8) on_heap_.at(address + i, epoch_).freed = true;
}

void engine::note(operation what, const void* from, std::uintptr_t address, std::uint64_t before,
                  std::uint64_t after) noexcept {
    events_[event_count_++ % most_events] = {what, static_cast<unsigned char>(acting()), from, address, before, after};
}

void engine::report(const char* what, const void* from) noexcept {
    static constexpr const char* names[] = {"load", "store", "compare", "change", "free", "ring", "sleep", "wake"};
    std::fflush(stdout);
    std::fprintf(stderr, "schedule %llu: %s", static_cast<unsigned long long>(number_), what);
    if (from) std::fprintf(stderr, " at pc=%p", from);
    std::fprintf(stderr, " in thread %u\n", acting());
    const unsigned first = event_count_ > most_events ? event_count_ - most_events : 0;
    for (unsigned i = first; i < event_count_; ++i) {
        const event& one = events_[i % most_events];
        std::fprintf(stderr, "  %u %-8s %#llx: %#llx -> %#llx pc=%p\n", one.thread, names[unsigned(one.what)],
                     static_cast<unsigned long long>(one.address), static_cast<unsigned long long>(one.before),
                     static_cast<unsigned long long>(one.after), one.from);
    }
}

}  // namespace model
