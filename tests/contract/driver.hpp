// The driver of the contract matrix: does what a cell says to a subject and looks whether everything is as it must be.
#pragma once

#include <string>
#include <vector>

#include "io/reactors.hpp"
#include "subject.hpp"

namespace co_wq::contract {

// What was wrong, one line each; none: the cell holds.
using problems = std::vector<std::string>;

// A cell that cannot happen is not run (expectation::kind::none).
problems run_cell(const variant& what, const io::test::backend& on, cell at);

// Parts of it: one that does not fault; and one that must, in a process of its own: the fault's message, or that there
// was none.
problems play(const variant& what, const io::test::backend& on, cell at);
std::string fault_of(const variant& what, const io::test::backend& on, cell at);

}  // namespace co_wq::contract
