//! Runs some seeds of the simulation, each planted fault, and one seed twice.
//! `SLUICE_SIMULATION_SEEDS=5000 cargo test --release -p sluice-simulation --features run` runs
//! more seeds, `SLUICE_SIMULATION_CELLS` sets the number of those with two cells, and
//! `SLUICE_SIMULATION_FROM` the first seed.

use std::process::Command;

fn number(name: &str, default: u64) -> u64 {
    let value = std::env::var_os(name);
    value.map_or(default, |value| value.to_string_lossy().parse().expect("a number of seeds"))
}

fn simulate(arguments: &[&str]) -> (bool, String) {
    let output =
        Command::new(env!("CARGO_BIN_EXE_sluice-simulation")).args(arguments).output().expect("it runs");
    (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn every_promise_is_kept_whatever_fails() {
    let seeds = number("SLUICE_SIMULATION_SEEDS", 150).to_string();
    let from = number("SLUICE_SIMULATION_FROM", 0).to_string();
    let (kept, said) = simulate(&["--seeds", &seeds, "--from", &from]);
    assert!(kept, "{said}");
    // All kinds of faults happened in the runs.
    let done = [
        "events accepted",
        "webhooks",
        "dead letters",
        "leases lost",
        "kills",
        "pauses",
        "splits",
        "denials",
        "streams replaced",
        "paused shards that fell behind",
        "shards handed over",
        "shards begun elsewhere",
        "first attempts in order of their key",
        "events read from the inbox",
        "batches at places of their own",
    ];
    for count in done {
        assert!(said.contains(count), "no {count}: {said}");
    }
}

fn finds(planted: &str, within: u64, promise: &str) {
    let (found, said) = simulate(&["--planted", planted, "--seeds", &within.to_string()]);
    assert!(found, "{planted} was not found: {said}");
    assert!(said.contains(promise), "{planted}: {said}");
}

#[test]
fn a_checkpoint_before_its_facts_is_found() {
    finds("early-checkpoint", 20, "the checkpoint never passes unsettled work");
}

#[test]
fn a_process_that_keeps_its_shards_beyond_its_leases_is_found() {
    finds("no-fence", 200, "a shard is worked by one process at a time");
}

#[test]
fn a_retry_that_reorders_the_log_is_found() {
    // A reader takes a late record for a second copy.
    finds("reordered-retry", 20, "every 202 ends in a 2xx or a dead letter");
}

#[test]
fn a_retry_that_reorders_first_attempts_is_found() {
    finds("held-attempt", 60, "first attempts follow the log while the endpoint keeps up");
}

#[test]
fn a_202_before_every_record_has_its_number_is_found() {
    finds("early-answer", 60, "every 202 ends in a 2xx or a dead letter");
}

#[test]
fn other_bytes_in_a_second_try_are_found() {
    finds("other-bytes", 60, "");
}

#[test]
fn a_takeover_that_begins_anew_after_each_error_is_found() {
    finds("forgetful-takeover", 200, "every 202 ends in a 2xx or a dead letter");
}

#[test]
fn a_refusal_for_good_that_is_tried_for_ever_is_found() {
    finds("refused-for-ever", 60, "every 202 ends in a 2xx or a dead letter");
}

#[test]
fn deliveries_that_a_failed_side_call_strands_are_found() {
    finds("stranded-deliveries", 60, "every 202 ends in a 2xx or a dead letter");
}

#[test]
fn a_delivery_that_the_queue_cannot_hold_is_found() {
    finds("too-large-for-queue", 60, "every 202 ends in a 2xx or a dead letter");
}

#[test]
fn a_stream_made_anew_that_nobody_notices_is_found() {
    finds("old-checkpoints", 200, "every 202 ends in a 2xx or a dead letter");
}

#[test]
fn a_denial_that_counts_as_an_answer_is_found() {
    finds("denied-is-answer", 60, "a process that is denied says so");
}

#[test]
fn a_lag_that_stands_still_is_found() {
    finds("frozen-lag", 60, "a lag that is not known grows");
}

#[test]
fn a_pause_that_nobody_obeys_is_found() {
    finds("ignored-pause", 60, "nobody takes a paused shard");
}

#[test]
fn a_lag_that_hides_what_is_not_settled_is_found() {
    finds("settled-ahead", 20, "what arrived before a shard's settled time is settled");
}

#[test]
fn a_reader_of_the_inbox_that_reads_all_that_is_stored_is_found() {
    finds("endless-inbox", 60, "nothing appears behind a reader of the inbox");
}

#[test]
fn a_late_batch_that_is_shown_where_readers_have_passed_is_found() {
    finds("late-in-place", 100, "nothing appears behind a reader of the inbox");
}

#[test]
fn every_promise_of_cells_is_kept_whatever_is_cut_off_away_or_lost() {
    let seeds = number("SLUICE_SIMULATION_CELLS", 60).to_string();
    let from = number("SLUICE_SIMULATION_FROM", 0).to_string();
    let (kept, said) = simulate(&["--cells", "--seeds", &seeds, "--from", &from]);
    assert!(kept, "{said}");
    let done = [
        "partitions",
        "regions away",
        "regions lost",
        "events lost with their region",
        "events of a lost region that were delivered before",
        "changes lost with their home",
        "changes undone because their home had moved",
        "homes moved",
        "rows copied",
        "requests refused because a copy is too old",
        "inbox pages that name a missing cell",
        "acknowledgements refused while a cell is away",
        "first attempts in order of their key",
    ];
    for count in done {
        assert!(
            said.contains(&format!("{count} ")) && !said.contains(&format!("{count} 0")),
            "no {count}: {said}"
        );
    }
}

fn finds_in_cells(planted: &str, within: u64, promise: &str) {
    let (found, said) = simulate(&["--cells", "--planted", planted, "--seeds", &within.to_string()]);
    assert!(found, "{planted} was not found: {said}");
    assert!(said.contains(promise), "{planted}: {said}");
}

#[test]
fn a_copy_of_the_catalogue_that_goes_back_is_found() {
    finds_in_cells("older-rows", 40, "a copy never goes back");
}

#[test]
fn a_copy_that_counts_however_old_it_is_is_found() {
    finds_in_cells("ageless-copy", 20, "a copy that is too old");
}

#[test]
fn an_event_that_two_cells_deliver_is_found() {
    finds_in_cells("both-deliver", 20, "the cell that accepted an event delivers it, and no other");
}

#[test]
fn an_inbox_that_forgets_where_it_was_in_a_missing_cell_is_found() {
    finds_in_cells("forgotten-position", 20, "every 202 ends in a 2xx or a dead letter, and in the inbox");
}

#[test]
fn an_event_that_appears_behind_a_reader_is_found() {
    finds_in_cells("no-horizon", 20, "a complete inbox is in the order of time");
}

#[test]
fn a_seed_repeats_its_run() {
    for arguments in [&["--one", "1"][..], &["--one", "2"], &["--one", "3"], &["--cells", "--one", "1"]] {
        let (one, two) = (simulate(arguments), simulate(arguments));
        let differs = one.1.lines().zip(two.1.lines()).position(|(one, two)| one != two);
        assert_eq!(differs.map(|line| one.1.lines().nth(line)), None, "{arguments:?}");
    }
}
