/* The kernel protocol: operation slots with generations, between the thread that owns them, a kernel that answers in
 * any order, and a thread that asks for cancellations by tag.
 *
 * Claims
 *   - the kernel holds an operation only while its slot is in flight under the same generation; so no completion and
 *     no write ever meets another use of the slot
 *   - a frame that died is never resumed; each armed operation fires at most once
 *   - an operation that nobody cancelled never ends as cancelled: a stale tag cancels nothing
 *   - an operation of many results gives its slot back with the last of them
 *   - whenever the owner looks: started = finished + in flight; at the end nothing is in flight anywhere
 *   - everything comes to rest (liveness, weak fairness), though a kernel operation may wait for ever by itself
 *
 * The states and who moves them: src/task/op_slot.hpp. Bounds: two slots, ARMS operations, at most MORE results
 * before the last one, CANCELS messages of the other thread.
 *
 * -DBUG=n puts one fault in; each must be found:
 *   1 a frame's death frees the slot at once        2 tags without a generation
 *   3 the first of many results frees the slot      4 the kernel's answer to a cancel frees the slot
 *   5 a frame's death leaves the link of a posted slot  6 a full submission queue drops the cancel (liveness)
 *   7 a slot comes back under its old generation    8 a posted slot is freed when its frame dies
 */

#ifndef ARMS
#define ARMS 4
#endif
#ifndef MORE
#define MORE 1
#endif
#ifndef CANCELS
#define CANCELS 2
#endif
#ifndef BUG
#define BUG 0
#endif

#define SLOTS 2
#define HELD 3 /* a fault may leave one operation more than there are slots */

mtype = { idle, armed, cancel_requested, orphaned, posted };
mtype = { data, cancelled, acknowledged };

/* the owner's */
mtype state[SLOTS] = idle;
byte generation[SLOTS] = 1;
bool linked[SLOTS]; /* slot to waiter */
bool alive[SLOTS];  /* the waiter's frame */
bool asked[SLOTS];  /* its cancellation was asked for, in this use */
bool queued[SLOTS]; /* it waits in the run queue */
byte filled, started, finished;

/* what the kernel holds */
typedef operation {
    bool busy;
    byte slot;
    byte generation;
    bool silent;    /* ends only when it is cancelled */
    bool answering; /* a cancel came when it was already under way */
    byte more;      /* results it may still give before the last one */
};
operation held[HELD];

chan completions = [6] of { byte, byte, mtype, bool }; /* slot, generation, result, more follow */
chan cancels = [1] of { byte, byte };                  /* the submission queue */
chan messages = [1] of { byte, byte };                 /* from the other thread */

#if BUG == 2
#define same(a, b) true
#else
#define same(a, b) (a == b)
#endif

#if BUG == 6
#define can_ask true
#else
#define can_ask nfull(cancels) /* a full queue is submitted first: the owner waits, and nothing is dropped */
#endif

#define in_flight(s) (state[s] == armed || state[s] == cancel_requested || state[s] == orphaned)
#define flying(s) (state[s] == armed || state[s] == cancel_requested || state[s] == orphaned -> 1 : 0)
#define balanced (started == finished + flying(0) + flying(1))

#define holds_none (!held[0].busy && !held[1].busy && !held[2].busy)
#define quiet                                                                                \
    (filled == ARMS && state[0] == idle && state[1] == idle && holds_none && len(completions) == 0 &&    \
     len(cancels) == 0)

inline ask_kernel(s) {
    asked[s] = true;
    if
    :: nfull(cancels) -> cancels!s, generation[s]
    :: full(cancels) /* dropped */
    fi
}

inline give_back(s) {
    state[s] = idle;
    linked[s] = false;
    alive[s] = false;
    asked[s] = false;
#if BUG != 7
    generation[s]++;
#endif
}

inline fill(s) {
    filled++;
    linked[s] = true;
    alive[s] = true;
    if
    :: give_back(s) /* the frame dies before it is armed */
    :: state[s] = armed;
       started++;
       k = 0;
       do
       :: held[k].busy -> k++; assert(k < HELD)
       :: !held[k].busy -> break
       od;
       held[k].busy = true;
       held[k].slot = s;
       held[k].generation = generation[s];
       if
       :: held[k].silent = true
       :: held[k].silent = false
       fi;
       if
       :: held[k].more = 0
       :: held[k].more = MORE
       fi;
       k = 0
    fi
}

inline final(s) {
    finished++;
    if
    :: linked[s] -> state[s] = posted; queued[s] = true
    :: !linked[s] -> give_back(s)
    fi
}

inline die_in_flight(s) {
    alive[s] = false;
    linked[s] = false;
    if
    :: state[s] == armed -> ask_kernel(s)
    :: state[s] != armed
    fi;
#if BUG == 1
    finished++;
    give_back(s)
#else
    state[s] = orphaned
#endif
}

inline die_posted(s) {
    alive[s] = false;
#if BUG == 8
    give_back(s)
#elif BUG != 5
    linked[s] = false
#endif
}

inline come_up(s) {
    assert(state[s] == posted);
    queued[s] = false;
    if
    :: linked[s] -> assert(alive[s]) /* fired: the waiter takes the result */
    :: !linked[s]
    fi;
    give_back(s)
}

inline take_completion() {
    completions?s, g, result, follows;
    if
    :: result == acknowledged ->
        if
        :: BUG == 4 && in_flight(s) && generation[s] == g -> final(s)
        :: BUG != 4 || !in_flight(s) || generation[s] != g
        fi
    :: result != acknowledged ->
        assert(in_flight(s) && generation[s] == g);
        assert(result != cancelled || asked[s]);
        if
        :: follows && BUG != 3 /* the result goes out, the slot stays */
        :: !follows || BUG == 3 -> final(s)
        fi
    fi;
    s = 0; g = 0; result = 0; follows = false;
    assert(balanced)
}

inline take_message() {
    messages?s, g;
    if
    :: same(generation[s], g) && state[s] == armed ->
        assert(generation[s] == g); /* else it cancels somebody else's operation */
        state[s] = cancel_requested;
        ask_kernel(s)
    :: !same(generation[s], g) || state[s] != armed /* stale, counted; or too late */
    fi;
    s = 0; g = 0
}

#define dies_in_flight(s) atomic { (state[s] == armed || state[s] == cancel_requested) && can_ask -> die_in_flight(s) }
#define fills(s) atomic { filled < ARMS && state[s] == idle -> fill(s) }
#define cancels_own(s) atomic { state[s] == armed && can_ask -> state[s] = cancel_requested; ask_kernel(s) }
#define dies_posted(s) atomic { state[s] == posted && alive[s] -> die_posted(s) }
#define comes_up(s) atomic { queued[s] -> come_up(s) }

active proctype owner() {
    byte s, g, k;
    bool follows;
    mtype result;
    do
    :: fills(0)
    :: fills(1)
    :: cancels_own(0)
    :: cancels_own(1)
    :: dies_in_flight(0)
    :: dies_in_flight(1)
    :: dies_posted(0)
    :: dies_posted(1)
    :: comes_up(0)
    :: comes_up(1)
    :: atomic { nempty(completions) -> take_completion() }
    :: atomic { nempty(messages) && can_ask -> take_message() }
    /* answers to cancels and messages for nobody come to the end */
    :: atomic { quiet && empty(messages) -> break }
    od
}

/* The kernel touches what the operation's tag names: it must be that use of the slot. */
inline touch(k) { assert(in_flight(held[k].slot) && generation[held[k].slot] == held[k].generation) }

inline end_with(k, how) {
    touch(k);
    completions!held[k].slot, held[k].generation, how, false;
    held[k].busy = false;
    held[k].slot = 0;
    held[k].generation = 0;
    held[k].silent = false;
    held[k].answering = false;
    held[k].more = 0
}

#define room (len(completions) < 5)
#define completes(k) atomic { held[k].busy && !held[k].silent && room -> end_with(k, data) }
#define gives_one_of_many(k)                                                             \
    atomic { held[k].busy && held[k].more > 0 && (!held[k].silent) && room ->            \
        touch(k); held[k].more--; completions!held[k].slot, held[k].generation, data, true }

inline cancel_held(k) {
    if
    :: end_with(k, cancelled)
    :: held[k].silent = false; held[k].answering = true; /* under way: it ends as it will */
       completions!held[k].slot, held[k].generation, acknowledged, false
    fi
}

active proctype kernel() {
    byte s, g;
    do
    :: completes(0)
    :: completes(1)
    :: completes(2)
    :: gives_one_of_many(0)
    :: gives_one_of_many(1)
    :: gives_one_of_many(2)
    :: atomic { nempty(cancels) && room -> cancels?s, g;
        if
        :: held[0].busy && held[0].slot == s && same(held[0].generation, g) ->
            assert(held[0].generation == g); cancel_held(0)
        :: held[1].busy && held[1].slot == s && same(held[1].generation, g) ->
            assert(held[1].generation == g); cancel_held(1)
        :: held[2].busy && held[2].slot == s && same(held[2].generation, g) ->
            assert(held[2].generation == g); cancel_held(2)
        :: !(held[0].busy && held[0].slot == s && same(held[0].generation, g)) &&
           !(held[1].busy && held[1].slot == s && same(held[1].generation, g)) &&
           !(held[2].busy && held[2].slot == s && same(held[2].generation, g)) /* nothing found */
        fi;
        s = 0; g = 0 }
    :: atomic { quiet -> break }
    od;
    assert(started == finished)
}

/* Another thread learns tags while they are good, and uses them when it likes. */
active proctype canceller() {
    byte seen[SLOTS], sent;
    do
    :: atomic { sent < CANCELS && state[0] == armed && seen[0] != generation[0] -> seen[0] = generation[0] }
    :: atomic { sent < CANCELS && state[1] == armed && seen[1] != generation[1] -> seen[1] = generation[1] }
    :: atomic { sent < CANCELS && seen[0] != 0 && nfull(messages) -> messages!0, seen[0]; sent++ }
    :: atomic { sent < CANCELS && seen[1] != 0 && nfull(messages) -> messages!1, seen[1]; sent++ }
    :: break
    od;
    seen[0] = 0; seen[1] = 0; sent = 0
}

#ifdef LIVENESS
ltl rests { <> (quiet) }
#endif
