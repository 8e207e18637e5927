#include "task/worknode.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <random>

namespace co_wq {
namespace {

struct plain : worknode {
    plain() noexcept : worknode([](worknode&) noexcept {}) {}
};

TEST(run_list, is_first_in_first_out_and_its_nodes_leave_from_anywhere) {
    std::mt19937 random(7);
    std::deque<std::unique_ptr<plain>> order;  // what the list must hold
    run_list list;
    for (int step = 0; step < 100'000; ++step) {
        switch (random() % 4) {
            case 0:
            case 1:
                order.push_back(std::make_unique<plain>());
                list.push_back(*order.back());
                break;
            case 2:
                if (order.empty()) break;
                EXPECT_EQ(&list.pop_front(), order.front().get());
                EXPECT_FALSE(order.front()->queued());
                if (random() % 2) {  // as a node that queues itself again
                    list.push_back(*order.front());
                    order.push_back(std::move(order.front()));
                }
                order.pop_front();
                break;
            case 3: {
                if (order.empty()) break;
                const auto place = order.begin() + static_cast<long>(random() % order.size());
                if (random() % 2) (*place)->leave();
                order.erase(place);  // destruction takes it out, too
                break;
            }
        }
        ASSERT_EQ(list.empty(), order.empty());
        if (step % 64 == 0) ASSERT_EQ(list.count(), order.size());
    }
    while (!order.empty()) {
        EXPECT_EQ(&list.pop_front(), order.front().get());
        order.pop_front();
    }
    EXPECT_TRUE(list.empty());
}

TEST(run_list_death, that_dies_with_a_node_in_it_is_reported) {
    EXPECT_DEATH(
        {
            plain node;
            run_list list;
            list.push_back(node);
        },
        "a list dies empty");
}

}  // namespace
}  // namespace co_wq
