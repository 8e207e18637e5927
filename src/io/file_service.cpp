#include "io/file_service.hpp"

#include <cerrno>
#include <system_error>

#include "io/backend/native_files.hpp"
#include "io/reactor.hpp"

namespace co_wq::io::detail {
namespace {

constexpr std::int32_t restart_system_call = 512;  // the kernel's own, which its workers let out

file_request& request_of(const op_slot& slot) noexcept { return *static_cast<file_request*>(slot.io.data); }

}  // namespace

file_service::file_service(reactor& owner) noexcept : owner_(owner), loop_(&owner.slots().queue()) {}

file_service::~file_service() {
    CO_WQ_ASSERT(kernel_.busy == 0 && workers_.busy == 0, "a file service dies when no call is under way");
}

bool file_service::has_room(const file_request& request) const noexcept {
    constexpr std::uint16_t calls_max = UINT16_MAX - 8;
    for (const std::uint32_t index : {request.entry, request.other_entry})
        if (index != file_request::no_entry && owner_.descriptors().at(index).pins > calls_max) return false;
    return true;
}

bool file_service::try_now(file_request& request) noexcept {
    if (request.call != file_call::read || paused_ || owner_.takes_file(request.call)) return false;
    descriptor& entry = owner_.descriptors().at(request.entry);
    if (!entry.readable) return false;  // its file system has no such read
    bool supported = true;
    const bool through = read_cached(request, supported);
    if (!supported) entry.readable = false;
    return through;
}

file_service::lane& file_service::lane_of(const file_request& request) noexcept {
    if (request.where == file_request::place::at_worker) return workers_;
    if (request.where == file_request::place::at_kernel) return kernel_;
    return owner_.takes_file(request.call) ? kernel_ : workers_;
}

// What nobody waits for begins whatever else is held: it closes, or clears away.
bool file_service::goes_first(const file_request& request) noexcept {
    return request.call == file_call::close || !request.slot->waiter();
}

bool file_service::may_begin(const lane& way, const file_request& request) const noexcept {
    return way.busy < way.limit && (!paused_ || goes_first(request));
}

void file_service::hold_files(const file_request& request) noexcept {
    for (const std::uint32_t index : {request.entry, request.other_entry})
        if (index != file_request::no_entry) ++owner_.descriptors().at(index).pins;
}

void file_service::let_files_go(const file_request& request) noexcept {
    for (const std::uint32_t index : {request.entry, request.other_entry})
        if (index != file_request::no_entry) owner_.unpin(owner_.descriptors().at(index));
}

void file_service::submit(op_slot& slot, file_request& request) noexcept {
    request.home = this;
    request.slot = &slot;
    slot.io = {.data = &request, .length = 0, .descriptor = request.entry};
    slot.detail = static_cast<std::uint8_t>(request.call);
    hold_files(request);
    owner_.slots().arm(slot);
    lane& way = lane_of(request);
    if (may_begin(way, request) && (way.held.empty() || goes_first(request))) return begin(request);
    request.where = file_request::place::held;
    way.held.push_back(request);
}

void file_service::begin(file_request& request) noexcept {
    if (owner_.takes_file(request.call)) {
        request.where = file_request::place::at_kernel;
        ++kernel_.busy;
        request.slot->held_by_kernel = true;
        return owner_.start_file(*request.slot);
    }
    request.where = file_request::place::at_worker;
    ++workers_.busy;
    if (hand_to_worker(request)) return;
    --workers_.busy;
    // no thread could be started
    if (request.call == file_call::close) {
        close_now(request.handle);
    } else {
        request.failure = -ENOMEM;
    }
    settle(request);
}

bool file_service::hand_to_worker(file_request& request) noexcept {
    try {
        if (!pool_) pool_ = std::make_unique<thread_pool>(workers_.limit, "files");
    } catch (const std::exception&) {
        return false;
    }
    pool_->execute(request);
    return true;
}

void file_service::perform(file_request& request) noexcept {
    perform_file_call(request);
    const std::scoped_lock guard(lock_);
    if (loop_) loop_->execute(request);
}

void file_service::returned(file_request& request) noexcept { finish(request); }

void file_service::completed(op_slot& slot, std::int32_t got) noexcept {
    file_request& request = request_of(slot);
    const bool wanted = slot.state() == op_state::armed;
    // an interrupted kernel worker may leak other numbers: that it was asked to end gives the error its name
    if (got < 0 && !wanted) got = -ECANCELED;
    if (got == -restart_system_call) got = -EINTR;
    if (got == -EINTR && request.call == file_call::close) got = 0;  // Linux has closed it in any case
    // the kernel would have to wait where it cannot; but a close has let go of its number, whatever it says
    if (got == -EAGAIN && request.call != file_call::close) {
        slot.held_by_kernel = false;
        --kernel_.busy;
        request.where = file_request::place::at_worker;
        ++workers_.busy;
        if (hand_to_worker(request)) return begin_next(kernel_);
        request.failure = -ENOMEM;
    } else if (request.advance(got)) {
        if (wanted) return owner_.start_file(slot);
        request.failure = -ECANCELED;
    }
    finish(request);
}

void file_service::finish(file_request& request) noexcept {
    lane& way = lane_of(request);
    --way.busy;
    settle(request);
    begin_next(way);
}

void file_service::settle(file_request& request) noexcept {
    op_slot& slot = *request.slot;
    request.where = file_request::place::idle;
    slot.held_by_kernel = false;
    if (request.call == file_call::close) request.handle = no_handle;
    let_files_go(request);
    owner_.slots().finish(slot, request.outcome());
}

void file_service::begin_next(lane& way) noexcept {
    for (file_request* next = way.held.first(); next;) {
        file_request* const after = way.held.after(*next);
        if (!may_begin(way, *next)) {
            if (way.busy >= way.limit) return;
            next = after;
            continue;
        }
        next->unlink();
        begin(*next);
        next = way.held.first();
    }
}

void file_service::resume() noexcept {
    paused_ = false;
    begin_next(kernel_);
    begin_next(workers_);
}

void file_service::ask_to_end(file_request& request) noexcept {
    request.unwanted.store(true, std::memory_order_relaxed);
    if (request.where == file_request::place::at_kernel) owner_.request_cancel(*request.slot);
}

// It has not begun.
void file_service::take_back(file_request& request) noexcept {
    request.unlink();
    request.failure = -ECANCELED;
}

void file_service::cancel(op_slot& slot) noexcept {
    file_request& request = request_of(slot);
    if (request.call == file_call::close || !owner_.slots().request_cancel(slot)) return;
    if (request.where != file_request::place::held) return ask_to_end(request);
    take_back(request);
    settle(request);
}

void file_service::abandon(op_slot& slot) noexcept {
    file_request& request = request_of(slot);
    op_slab& slots = owner_.slots();
    const bool under_way = slot.state() == op_state::armed || slot.state() == op_state::cancel_requested;
    if (!under_way) return (void)slots.abandon(slot);  // its result is here, and is dropped when it comes up
    if (request.where == file_request::place::held && request.call != file_call::close) {
        take_back(request);
        let_files_go(request);
        slots.withdraw(slot);
        return dispose(request);
    }
    const bool asked = slot.state() == op_state::cancel_requested;
    slots.abandon(slot);
    if (!asked && request.call != file_call::close) ask_to_end(request);
}

void file_service::closing(descriptor& entry) noexcept {
    intrusive_list<file_request> not_begun;
    owner_.slots().for_each_live([&](op_slot& slot) {
        if (slot.kind() != op_kind::file || slot.state() < op_state::armed || slot.state() > op_state::orphaned) return;
        file_request& request = request_of(slot);
        if (request.entry != entry.index && request.other_entry != entry.index) return;
        request.owner_closed = true;
        if (request.where == file_request::place::held) {
            take_back(request);
            not_begun.push_back(request);
        } else if (owner_.slots().request_cancel(slot)) {
            ask_to_end(request);
        }
    });
    while (file_request* one = not_begun.pop_front()) settle(*one);
}

void file_service::dispose(file_request& request) noexcept {
    if (request.call == file_call::open && request.made >= 0) {
        if (request.scratch) remove_later(request.path(0));
        close_later(std::exchange(request.made, no_handle));
    }
    if (request.call == file_call::close && request.handle >= 0)  // it was never submitted
        close_later(std::exchange(request.handle, no_handle));
    request.free();
}

// False: no memory. The request is freed then.
bool file_service::submit_alone(file_request& request) noexcept {
    try {
        submit(owner_.slots().fill(op_kind::file, nullptr), request);
        return true;
    } catch (const std::bad_alloc&) {
        request.free();
        return false;
    }
}

void file_service::close_later(native_handle handle) noexcept {
    try {
        file_request& request = file_request::make(file_call::close);
        request.handle = handle;
        if (submit_alone(request)) return;
    } catch (const std::bad_alloc&) {
        // here and now
    }
    close_now(handle);
}

void file_service::remove_later(std::string_view path) noexcept {
    try {
        file_request& request = file_request::make(file_call::remove, {path});
        if (request.failure < 0) return request.free();
        (void)submit_alone(request);
    } catch (const std::bad_alloc&) {
        // it stays
    }
}

void file_service::end() noexcept {
    const std::scoped_lock guard(lock_);
    loop_ = nullptr;
}

}  // namespace co_wq::io::detail
