"""Which searches the short and the full form make of each model, and how many schedules they are worth.

full      every schedule                       boundN  every schedule with at most N switches away from a thread that
random K  K schedules, seeded by their number          could have gone on; a number behind it ends the search there

The broken ones are wrong on purpose: each search must find the fault.
"""


def each(short, full):
    return {"short": short, "full": full}


searches = {
    "inbox_1x3": each(["full"], ["full", "random 1000000"]),
    "inbox_2x2": each(["bound3", "random 50000"], ["bound5", "random 1000000"]),
    "inbox_3x1": each(["bound2", "random 50000"], ["bound4", "random 1000000"]),
    "inbox_reuse": each(["full"], ["full", "random 1000000"]),
    "inbox_reuse_crowd": each(["bound2", "random 50000"], ["bound4", "random 1000000"]),
    "inbox_loop": each(["bound3", "random 50000"], ["bound5", "random 1000000"]),
    "serial_2x1": each(["bound2", "random 50000"], ["bound4", "random 1000000"]),
    "serial_2x2": each(["bound2", "random 50000"], ["bound3", "random 1000000"]),
    "serial_3x1": each(["bound2 300000", "random 50000"], ["bound2", "random 1000000"]),
    "serial_long": each(["bound3", "random 5000"], ["bound4", "random 200000"]),
    "serial_executor_dies": each(["bound3", "random 50000"], ["bound7", "random 1000000"]),
    "serial_handles": each(["bound3", "random 50000"], ["bound4", "random 1000000"]),
    "slot_event": each(["full", "random 20000"], ["full", "random 300000"]),
    "slot_event_cancel": each(["bound3", "random 20000"], ["full", "random 300000"]),
    "slot_event_destroy": each(["full", "random 20000"], ["full", "random 300000"]),
    "slot_event_two_cancel": each(["bound2", "random 50000"], ["bound3", "random 300000"]),
    "slot_event_two_destroy": each(["bound2", "random 50000"], ["bound3", "random 300000"]),
    "slot_permit": each(["full", "random 20000"], ["full", "random 300000"]),
    "slot_permit_cancel": each(["bound4", "random 20000"], ["bound7", "random 300000"]),
    "slot_permit_destroy": each(["bound4", "random 20000"], ["bound7", "random 300000"]),
    "slot_lock": each(["bound2", "random 20000"], ["bound3", "random 300000"]),
    "slot_lock_destroy": each(["bound2", "random 20000"], ["bound3", "random 300000"]),
    "slot_lock_3": each(["bound1", "random 50000"], ["bound2", "random 300000"]),
    "channel_meeting": each(["bound3", "random 20000"], ["bound4", "random 300000"]),
    "channel_meeting_cancel": each(["bound4", "random 20000"], ["bound6", "random 300000"]),
    "channel_meeting_destroy": each(["bound4", "random 20000"], ["bound6", "random 300000"]),
    "channel_stored": each(["bound3", "random 20000"], ["bound4", "random 300000"]),
    "channel_stored_destroy": each(["bound3", "random 20000"], ["bound5", "random 300000"]),
    "remote_run_on": each(["bound3", "random 20000"], ["bound5", "random 300000"]),
    "remote_run_on_cancel": each(["bound3", "random 20000"], ["bound4", "random 300000"]),
    "remote_run_on_destroy": each(["bound3", "random 20000"], ["bound4", "random 300000"]),
    "remote_run_on_cancel_destroy": each(["bound3", "random 20000"], ["bound4", "random 300000"]),
    "remote_call": each(["bound3", "random 20000"], ["bound4", "random 300000"]),
    "remote_call_destroy": each(["bound3", "random 20000"], ["bound4", "random 300000"]),
    "completion": each(["bound3", "random 20000"], ["bound4", "random 300000"]),
    "completion_destroy": each(["bound3", "random 20000"], ["bound4", "random 300000"]),
    "completion_schedule": each(["bound3", "random 20000"], ["bound4", "random 300000"]),
    "completion_schedule_destroy": each(["bound3", "random 20000"], ["bound4", "random 300000"]),
    "stop_registration": each(["bound4", "random 50000"], ["bound7", "random 1000000"]),
    "stop_two_requests": each(["bound2", "random 50000"], ["bound3", "random 1000000"]),
    "stop_runs_all": each(["bound2", "random 50000"], ["bound4", "random 1000000"]),
    "stop_ends_itself": each(["bound4", "random 50000"], ["bound6", "random 1000000"]),
    "spin_lock_2": each(["full", "random 20000"], ["full", "random 1000000"]),
    "spin_lock_3": each(["bound3", "random 20000"], ["bound5", "random 1000000"]),
    "broken_store_buffer": each(["bound2", "random 1000"], ["bound2", "random 1000"]),
    "broken_message": each(["bound2", "random 1000"], ["bound2", "random 1000"]),
    "broken_bell": each(["bound2", "random 1000"], ["bound2", "random 1000"]),
    "broken_free": each(["bound2", "random 1000"], ["bound2", "random 1000"]),
}

# A mutant is caught by one of these, in this order.
for_mutants = ["bound2 200000", "random 200000"]

_safety = "-DSAFETY -DVECTORSZ=256"
_liveness = "-DNFAIR=4 -DVECTORSZ=256"
_faults = {1: "death_frees_slot", 2: "no_generation", 3: "first_of_many_frees", 4: "cancel_answer_frees",
           5: "dead_link_stays", 7: "old_generation", 8: "death_frees_posted"}
_quick = " -O0"  # found at once: most of the time goes to the compiler
_broken = [(f"kernel_bug_{name}", False, f"-DBUG={number} -DARMS=3", _safety + _quick, "-m10000")
           for number, name in _faults.items()]
_broken.append(("kernel_bug_cancel_dropped", False, "-DBUG=6 -DARMS=2 -DCANCELS=1 -DLIVENESS", _liveness + _quick,
                "-a -f -m10000"))

# name, whether it must hold, definitions for spin, flags for the compiler, arguments of the search
promela = {
    "short": [
        ("kernel_safety", True, "-DARMS=3 -DCANCELS=1", _safety, "-m100000"),
        ("kernel_rests", True, "-DARMS=2 -DCANCELS=1 -DLIVENESS", _liveness, "-a -f -m100000"),
        *_broken,
    ],
    "full": [
        ("kernel_safety", True, "-DARMS=5 -DCANCELS=1", _safety + " -DCOLLAPSE", "-m100000 -w24"),
        ("kernel_rests", True, "-DARMS=3 -DCANCELS=1 -DLIVENESS", _liveness, "-a -f -m100000"),
        *_broken,
    ],
}
