// What compilers are told beyond the language, and that all code of a program was told the same.
#pragma once

#if defined(__clang__) && __clang_major__ < 19
#error "co_wq is built by clang 19 or later, or by g++ 12: earlier clangs have faults in coroutines and preserve_most"
#endif

// CO_WQ_MSVC: it is MSVC, not a clang in its place. All others know GNU's words.
#if defined(_MSC_VER) && !defined(__clang__)
#define CO_WQ_MSVC 1
#endif

// CO_WQ_RARE: a function off the hot path that is called from a hot one. It saves the registers itself, so the hot
// path, where it is not called, need not; and it stays out of line. (clang's preserve_most; g++ 12 has no such thing.)
#if defined(__clang__) && (defined(__x86_64__) || defined(__aarch64__))
#define CO_WQ_RARE [[gnu::cold, gnu::noinline]] __attribute__((preserve_most))
#elif defined(CO_WQ_MSVC)
#define CO_WQ_RARE [[msvc::noinline]]
#else
#define CO_WQ_RARE [[gnu::cold, gnu::noinline]]
#endif

// CO_WQ_IN_REGISTER: a class with a destructor that is passed and returned in a register all the same (clang's
// trivial_abi), because moving it is copying its bytes.
#if defined(__clang__)
#define CO_WQ_IN_REGISTER [[clang::trivial_abi]]
#else
#define CO_WQ_IN_REGISTER
#endif

// CO_WQ_NO_UNIQUE_ADDRESS: a member that takes no room if it is empty. In the ABI of MSVC the standard's word for it
// does nothing.
#if defined(_MSC_VER)
#define CO_WQ_NO_UNIQUE_ADDRESS [[msvc::no_unique_address]]
#else
#define CO_WQ_NO_UNIQUE_ADDRESS [[no_unique_address]]
#endif

// Code of a compiler that passes such classes in registers does not fit code of one that does not. So every file that
// uses tasks asks the library for a symbol, and a program mixed of both does not link.
namespace co_wq::detail {
#if defined(__clang__)
extern const char library_built_by_clang;
[[gnu::used]] inline const char* const same_compiler = &library_built_by_clang;
#elif defined(CO_WQ_MSVC)  // external linkage keeps it
extern const char library_built_by_msvc;
inline const char* const same_compiler = &library_built_by_msvc;
#else
extern const char library_built_by_gcc;
[[gnu::used]] inline const char* const same_compiler = &library_built_by_gcc;
#endif
}  // namespace co_wq::detail
