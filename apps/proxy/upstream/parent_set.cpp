#include "proxy/upstream/parent_set.hpp"

#include <algorithm>
#include <cmath>

namespace co_wq::proxy::upstream {
namespace {

// The same on every machine and in every process: whoever balances beside us sends a host to the same parent. FNV-1a,
// and the finalizer of MurmurHash3, without which near names stay near.
std::uint64_t hash_of(std::string_view parent, std::string_view host) noexcept {
    std::uint64_t value = 0xcbf29ce484222325ull;
    const auto add = [&](std::string_view text) {
        for (const char c : text) value = (value ^ static_cast<unsigned char>(c)) * 0x100000001b3ull;
    };
    add(parent);
    add(std::string_view("\0", 1));
    add(host);
    value = (value ^ (value >> 33)) * 0xff51afd7ed558ccdull;
    value = (value ^ (value >> 33)) * 0xc4ceb9fe1a85ec53ull;
    return value ^ (value >> 33);
}

// The highest wins; each with a chance in proportion to its weight.
double score(const live_parent& one, std::string_view host) noexcept {
    const double share = (static_cast<double>(hash_of(one.name(), host) >> 11) + 0.5) * 0x1p-53;
    return one.chosen().weight / -std::log(share);
}

// The least first; each is asked once, since what others do may change it.
template <class Measure>
void sort_by(parents& all, Measure&& measure) {
    std::vector<std::pair<double, std::shared_ptr<live_parent>>> measured;
    for (auto& each : all) {
        const double value = measure(*each);
        measured.emplace_back(value, std::move(each));
    }
    std::stable_sort(measured.begin(), measured.end(),
                     [](const auto& left, const auto& right) { return left.first < right.first; });
    for (std::size_t at = 0; at < all.size(); ++at) all[at] = std::move(measured[at].second);
}

bool same(const policy::parent& left, const policy::parent& right) noexcept {
    const auto fields = [](const policy::parent& one) {
        return std::tie(one.name, one.kind, one.host, one.port, one.user, one.password, one.weight, one.resolve,
                        one.connect_timeout, one.ca_pem, one.server_name, one.check, one.check_host, one.check_port,
                        one.check_interval, one.check_timeout, one.rise, one.fall);
    };
    return fields(left) == fields(right);
}

std::shared_ptr<live_parent> kept(const policy::parent& one, const parent_set* before) {
    if (before)
        for (const std::shared_ptr<live_parent>& each : before->all())
            if (same(each->chosen(), one)) return each;
    return std::make_shared<live_parent>(one);
}

}  // namespace

parents parent_group::order(std::string_view host, time_point now) const {
    parents up;
    for (const std::shared_ptr<live_parent>& each : members_)
        if (each->is_up(now)) up.push_back(each);
    if (up.size() > 1) switch (chosen_.balance) {
            case policy::balance::first: break;
            case policy::balance::round_robin: in_turn(up); break;
            case policy::balance::least_connections: by_load(up); break;
            case policy::balance::hash: by_hash(up, host); break;
        }
    if (up.size() > tries_max) up.resize(tries_max);
    return up;
}

// Whose turn it is comes first, and behind it the others as they are written.
void parent_group::in_turn(parents& up) const {
    std::uint64_t weights = 0;
    for (const auto& each : up) weights += each->chosen().weight;
    std::uint64_t at = next_turn() % weights;
    std::size_t first = 0;
    while (at >= up[first]->chosen().weight) at -= up[first++]->chosen().weight;
    std::rotate(up.begin(), up.begin() + static_cast<std::ptrdiff_t>(first), up.end());
}

void parent_group::by_load(parents& up) const {
    std::rotate(up.begin(), up.begin() + static_cast<std::ptrdiff_t>(next_turn() % up.size()), up.end());
    // one more for itself: of idle ones the heaviest comes first
    sort_by(up, [](const live_parent& one) { return (one.connections() + 1.0) / one.chosen().weight; });
}

void parent_group::by_hash(parents& up, std::string_view host) const {
    sort_by(up, [host](const live_parent& one) { return -score(one, host); });
}

std::shared_ptr<parent_set> parent_set::make(const policy::settings& chosen, const parent_set* before,
                                             std::string& wrong) {
    auto made = std::make_shared<parent_set>();
    const auto add_group = [&](const policy::parent_group& one, parents members) {
        made->groups_.emplace(one.name, std::make_unique<parent_group>(one, std::move(members)));
    };
    for (const policy::parent& each : chosen.parents) {
        made->all_.push_back(kept(each, before));
        if (const result<void> ready = made->all_.back()->prepare(); !ready) {
            wrong = "parent " + each.name + ": TLS cannot be prepared: " + ready.error().message();
            return nullptr;
        }
        policy::parent_group alone;
        alone.name = each.name;
        add_group(alone, {made->all_.back()});
    }
    for (const policy::parent_group& each : chosen.parent_groups) {
        parents members;
        for (const std::string& name : each.parents)
            for (const auto& one : made->all_)
                if (one->name() == name) members.push_back(one);
        add_group(each, std::move(members));
    }
    return made;
}

const parent_group* parent_set::find(std::string_view name) const noexcept {
    const auto found = groups_.find(std::string(name));
    return found == groups_.end() ? nullptr : found->second.get();
}

}  // namespace co_wq::proxy::upstream
