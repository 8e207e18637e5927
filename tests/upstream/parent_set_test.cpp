// Whom of a group comes next.
#include "proxy/upstream/parent_set.hpp"

#include <gtest/gtest.h>

#include <map>

namespace co_wq::proxy::upstream {
namespace {

using namespace std::chrono_literals;

constexpr time_point now{1h};

policy::settings settings_of(std::vector<std::pair<std::string, std::uint32_t>> names, policy::balance how) {
    policy::settings made;
    policy::parent_group group;
    group.name = "all";
    group.balance = how;
    for (const auto& [name, weight] : names) {
        policy::parent one;
        one.name = name;
        one.host = name + ".example";
        one.port = 3128;
        one.weight = weight;
        made.parents.push_back(one);
        group.parents.push_back(name);
    }
    made.parent_groups.push_back(group);
    return made;
}

std::shared_ptr<parent_set> make(const policy::settings& chosen, const parent_set* before = nullptr) {
    std::string wrong;
    auto made = parent_set::make(chosen, before, wrong);
    EXPECT_EQ(wrong, "");
    return made;
}

std::string names_of(const parents& all) {
    std::string text;
    for (const auto& each : all) text += (text.empty() ? "" : " ") + each->name();
    return text;
}

void take_down(live_parent& one) {
    while (one.up()) one.failed("test", now);
}
void take_up(live_parent& one) {
    while (!one.up()) one.succeeded();
}

std::string host(int number) { return "host" + std::to_string(number) + ".example"; }

std::map<std::string, int> shares(const parent_group& by, int hosts) {
    std::map<std::string, int> count;
    for (int i = 0; i < hosts; ++i) ++count[by.order(host(i), now).front()->name()];
    return count;
}

TEST(parent_set, the_first_that_is_up_comes_first) {
    const auto set = make(settings_of({{"a", 1}, {"b", 1}, {"c", 1}}, policy::balance::first));
    const parent_group& all = *set->find("all");
    EXPECT_EQ(names_of(all.order("x", now)), "a b c");
    take_down(*set->all()[0]);
    EXPECT_EQ(names_of(all.order("x", now)), "b c");
    take_down(*set->all()[1]);
    take_down(*set->all()[2]);
    EXPECT_EQ(names_of(all.order("x", now)), "");
    take_up(*set->all()[0]);
    EXPECT_EQ(names_of(all.order("x", now)), "a");
}

TEST(parent_set, a_parent_is_a_group_of_its_own) {
    const auto set = make(settings_of({{"a", 1}, {"b", 1}}, policy::balance::first));
    EXPECT_EQ(names_of(set->find("b")->order("x", now)), "b");
    EXPECT_EQ(set->find("c"), nullptr);
    EXPECT_FALSE(set->find("b")->direct_when_down());
}

TEST(parent_set, no_more_are_tried_than_allowed) {
    const auto set =
        make(settings_of({{"a", 1}, {"b", 1}, {"c", 1}, {"d", 1}, {"e", 1}, {"f", 1}}, policy::balance::hash));
    EXPECT_EQ(set->find("all")->order("x", now).size(), tries_max);
}

TEST(parent_set, in_turn_each_gets_its_weight) {
    const auto set = make(settings_of({{"a", 1}, {"b", 3}}, policy::balance::round_robin));
    const auto count = shares(*set->find("all"), 400);
    EXPECT_EQ(count.at("a"), 100);
    EXPECT_EQ(count.at("b"), 300);
    take_down(*set->all()[1]);
    EXPECT_EQ(shares(*set->find("all"), 10).at("a"), 10);
}

TEST(parent_set, the_fewest_connections_for_its_weight_come_first) {
    const auto set = make(settings_of({{"a", 1}, {"b", 2}}, policy::balance::least_connections));
    std::vector<hold> held;
    for (int i = 0; i < 300; ++i) held.emplace_back(set->find("all")->order("x", now).front());
    EXPECT_NEAR(set->all()[0]->connections(), 100, 2);
    EXPECT_NEAR(set->all()[1]->connections(), 200, 2);
    held.clear();
    EXPECT_EQ(set->all()[0]->connections(), 0u);
}

TEST(parent_set, equals_take_turns) {
    const auto set = make(settings_of({{"a", 1}, {"b", 1}, {"c", 1}}, policy::balance::least_connections));
    for (const auto& [name, count] : shares(*set->find("all"), 300)) EXPECT_NEAR(count, 100, 1) << name;
}

TEST(parent_set, a_host_keeps_its_parent_and_only_the_lost_ones_move) {
    const auto set = make(settings_of({{"a", 1}, {"b", 1}, {"c", 1}, {"d", 1}}, policy::balance::hash));
    const parent_group& all = *set->find("all");
    constexpr int hosts = 2000;
    std::vector<std::string> before;
    for (int i = 0; i < hosts; ++i) before.push_back(all.order(host(i), now).front()->name());
    for (const auto& [name, count] : shares(all, hosts)) EXPECT_NEAR(count, hosts / 4, hosts / 16) << name;
    take_down(*set->all()[1]);
    std::map<std::string, int> moved_to;
    for (int i = 0; i < hosts; ++i) {
        const std::string name = all.order(host(i), now).front()->name();
        if (before[static_cast<std::size_t>(i)] == "b") {
            ++moved_to[name];
        } else {
            EXPECT_EQ(name, before[static_cast<std::size_t>(i)]) << host(i);
        }
    }
    EXPECT_EQ(moved_to.size(), 3u) << "those that are left share them";
    take_up(*set->all()[1]);
    for (int i = 0; i < hosts; ++i)
        EXPECT_EQ(all.order(host(i), now).front()->name(), before[static_cast<std::size_t>(i)]) << host(i);
}

TEST(parent_set, the_hash_is_the_same_everywhere_and_always) {
    const auto set = make(settings_of({{"a", 1}, {"b", 1}, {"c", 1}, {"d", 1}}, policy::balance::hash));
    std::string all;
    for (int i = 0; i < 12; ++i) all += set->find("all")->order(host(i), now).front()->name();
    EXPECT_EQ(all, "abbaaabcddba");
}

TEST(parent_set, weights_count_for_the_hash) {
    const auto set = make(settings_of({{"a", 1}, {"b", 3}}, policy::balance::hash));
    EXPECT_NEAR(shares(*set->find("all"), 4000).at("a"), 1000, 150);
}

TEST(parent_set, a_new_configuration_goes_on_with_parents_that_are_as_they_were) {
    policy::settings chosen = settings_of({{"a", 1}, {"b", 1}}, policy::balance::first);
    const auto before = make(chosen);
    take_down(*before->all()[0]);
    take_down(*before->all()[1]);
    const hold held(before->all()[0]);
    chosen.parents[1].port = 3129;
    chosen.parent_groups[0].balance = policy::balance::hash;
    const auto after = make(chosen, before.get());
    EXPECT_EQ(after->all()[0], before->all()[0]);
    EXPECT_FALSE(after->all()[0]->up());
    EXPECT_EQ(after->all()[0]->connections(), 1u);
    EXPECT_NE(after->all()[1], before->all()[1]);
    EXPECT_TRUE(after->all()[1]->up()) << "nothing is known of it";
}

TEST(parent_set, what_tls_cannot_use_is_told) {
    policy::settings chosen = settings_of({{"a", 1}}, policy::balance::first);
    chosen.parents[0].kind = policy::parent_kind::https;
    chosen.parents[0].ca_pem = "nothing of the kind";
    std::string wrong;
    EXPECT_EQ(parent_set::make(chosen, nullptr, wrong), nullptr);
    EXPECT_NE(wrong.find("parent a"), std::string::npos) << wrong;
}

}  // namespace
}  // namespace co_wq::proxy::upstream
