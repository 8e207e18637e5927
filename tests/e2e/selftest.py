"""The tests of the proxy can fail: against a fake that is wrong in one way, the test for it must."""
import concurrent.futures
import os
import subprocess
import sys
import unittest

from settings import HERE

FAULTS = {
    "lost-half-close": ("tunnels_test", "Ends.test_client_half_closes_and_the_origin_answers_later",
                        "Ends.test_origin_half_closes_first_and_still_receives"),
    "lost-early-data": ("tunnels_test", "Data.test_payload_in_the_segment_of_the_connect_reaches_the_origin"),
    "changed-bytes": ("tunnels_test", "Data.test_bytes_of_any_value_are_not_touched"),
    "forgotten-sockets": ("tunnels_test", "Ends.test_origin_closes",
                          "Numbers.test_descriptors_are_back_at_the_baseline"),
    "forgotten-half-closes": ("storm_test", "Storm.test_on_one_loop"),
    "forwarded-credentials": ("forwarding_test", "Requests.test_hop_by_hop_fields_never_reach_the_origin"),
    "lost-trailers": ("bodies_test", "Chunks.test_request_with_trailers"),
    "lost-interim": ("bodies_test", "Interim.test_early_hints_are_forwarded_as_they_come"),
    "completed-bodies": ("bodies_test", "CutOff.test_length", "CutOff.test_chunks"),
    "no-checks": ("refusals_test", "Refusals.test_what_follows_a_refused_request_is_not_read"),
    "trace-lines": ("process_test", "Log.test_no_trace_and_no_debug_lines_by_default"),
    "sanitizer-report": ("process_test", "Signals.test_idle_it_ends_at_once"),
    "wake-ups": ("process_test", "Quiet.test_fresh"),
    "exit-code": ("process_test", "Signals.test_idle_it_ends_at_once"),
    "no-drain": ("process_test", "Signals.test_live_tunnels_end_when_the_time_to_drain_is_over"),
}


def run(module: str, test: str, fault: str) -> subprocess.CompletedProcess:
    environment = os.environ | {"CO_WQ_PROXY": str(HERE / "fake_proxy.py"), "CO_WQ_FAKE_FAULT": fault,
                                "CO_WQ_STORM": "160"}
    return subprocess.run([sys.executable, f"{module}.py", test], cwd=HERE, env=environment, capture_output=True,
                          text=True)


class Selftest(unittest.TestCase):
    def run_all(self, cases: list[tuple[str, str, str]]):
        """Several at once: most of a run is waiting for what does not come."""
        with concurrent.futures.ThreadPoolExecutor(6) as pool:
            return zip(cases, pool.map(lambda case: run(*case), cases))

    def test_without_a_fault_each_test_passes(self):
        cases = {(module, test, "") for module, *tests in FAULTS.values() for test in tests}
        for case, done in self.run_all(sorted(cases)):
            with self.subTest(case):
                self.assertEqual(done.returncode, 0, done.stderr)

    def test_with_its_fault_each_test_fails(self):
        cases = [(module, test, fault) for fault, (module, *tests) in FAULTS.items() for test in tests]
        for case, done in self.run_all(cases):
            with self.subTest(case):
                self.assertEqual(done.returncode, 1, done.stderr)
                self.assertRegex(done.stderr, r"FAILED \((failures|errors)=")
                self.assertNotIn("ModuleNotFoundError", done.stderr)


if __name__ == "__main__":
    unittest.main()
