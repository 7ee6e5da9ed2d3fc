//! Each promise can be broken, and only that one is then said to be.

use super::*;

const fn call(client: u64, number: u64) -> CallName {
    CallName { client, number }
}

/// Two clients with three calls each. The second one was at the node that was killed with a call in
/// flight, which had not run.
fn good() -> Evidence {
    use Outcome::{Answered, Indeterminate};
    Evidence {
        told: vec![vec![Answered; 3], vec![Answered, Indeterminate, Answered]],
        executed: [call(1, 1), call(1, 2), call(1, 3), call(2, 1), call(2, 3)]
            .map(|call| (call, 1))
            .into(),
        bad_in_planned_work: 0,
        resumed: 6,
        bad_after_cuts: 0,
        survival: Survival { kills: 3, answered: 9, not_answered: 0, not_once: 0 },
        at_killed: BTreeSet::from([2]),
        max_in_flight: 1,
        agreed: ByVersion::from([(10, 2)]),
        agreed_after_crash: ByVersion::from([(3, 2)]),
        exits: vec![("A".into(), Some(0)), ("B".into(), Some(0))],
    }
}

/// What is broken if the evidence is changed so.
fn broken(change: impl FnOnce(&mut Evidence)) -> Vec<(&'static str, String)> {
    let mut evidence = good();
    change(&mut evidence);
    let promises = judge(&evidence).promises.into_iter();
    promises.filter(|promise| !promise.kept).map(|promise| (promise.name, promise.saw)).collect()
}

fn names(broken: &[(&'static str, String)]) -> Vec<&'static str> {
    broken.iter().map(|(name, _)| *name).collect()
}

#[test]
fn what_is_good_keeps_all_promises() {
    let verdict = judge(&good());
    assert!(verdict.is_good(), "{verdict:?}");
    assert_eq!(
        (verdict.sent, verdict.answered, verdict.lost, verdict.executed_twice),
        (6, 5, 0, 0)
    );
    assert_eq!((verdict.indeterminate, verdict.indeterminate_that_had_run), (1, 0));
}

#[test]
fn a_cut_that_loses_a_call_and_cuts_that_never_were_break_a_promise() {
    let found = broken(|evidence| evidence.bad_after_cuts = 2);
    assert_eq!(found, [("cuts_lose_no_call", "6 sessions resumed; bad ends: 2".to_owned())]);
    assert_eq!(names(&broken(|evidence| evidence.resumed = 0)), ["cuts_lose_no_call"]);
}

#[test]
fn a_call_in_doubt_after_a_kill_of_a_server_with_rows_breaks_a_promise() {
    let found = broken(|evidence| evidence.survival.not_answered = 1);
    assert_eq!(found, [("survives_kills", "3 kills, 9 calls, 1 in doubt".to_owned())]);
    assert_eq!(names(&broken(|evidence| evidence.survival.not_once = 1)), ["survives_kills"]);
}

#[test]
fn an_indeterminate_call_may_have_run() {
    let mut evidence = good();
    evidence.executed.insert(call(2, 2), 1);
    let verdict = judge(&evidence);
    assert!(verdict.is_good());
    assert_eq!((verdict.indeterminate, verdict.indeterminate_that_had_run), (1, 1));
}

#[test]
fn a_second_record_is_a_second_execution() {
    let found = broken(|evidence| *evidence.executed.get_mut(&call(1, 2)).unwrap() = 2);
    assert_eq!(found, [("executed_twice", "1; the first is call 2 of client 1".to_owned())]);
    // Of an indeterminate call, too.
    let found = broken(|evidence| evidence.executed.extend([(call(2, 2), 2)]));
    assert_eq!(names(&found), ["executed_twice"]);
}

#[test]
fn an_answer_without_a_record_is_a_lost_call() {
    let found = broken(|evidence| evidence.executed.retain(|record, _| *record != call(2, 3)));
    assert_eq!(found, [("lost", "1; the first is call 3 of client 2".to_owned())]);
}

#[test]
fn a_call_without_an_end_or_with_a_bad_one_is_lost() {
    use Outcome::{Cut, Failed, Late, Open, WrongReply};
    for outcome in [Open, Cut, Late, Failed, WrongReply] {
        assert_eq!(
            names(&broken(|evidence| evidence.told[0][1] = outcome)),
            ["lost"],
            "{outcome:?}"
        );
    }
}

#[test]
fn what_was_certainly_not_executed_is_in_no_journal() {
    use Outcome::{Crashed, NoCommonVersion, NotSent, NotTaken, Refused, TooLarge};
    for outcome in [NotSent, Refused, Crashed, NoCommonVersion, TooLarge, NotTaken] {
        let found = broken(|evidence| evidence.told[0][1] = outcome);
        assert_eq!(names(&found), ["lost", "nothing_else_executed"], "{outcome:?}");
        let found = broken(|evidence| {
            evidence.told[0][1] = outcome;
            evidence.executed.remove(&call(1, 2));
        });
        assert_eq!(names(&found), ["lost"], "{outcome:?}");
    }
}

#[test]
fn what_nobody_asked_for_is_in_no_journal() {
    for stranger in [call(1, 4), call(1, 0), call(3, 1), call(0, 1), call(u64::MAX, u64::MAX)] {
        let found = broken(|evidence| evidence.executed.extend([(stranger, 1)]));
        assert_eq!(names(&found), ["nothing_else_executed"], "{stranger:?}");
    }
}

#[test]
fn only_calls_in_flight_to_the_killed_node_are_indeterminate() {
    let found = broken(|evidence| evidence.told[0][1] = Outcome::Indeterminate);
    assert_eq!(
        found,
        [(
            "indeterminate_only_after_the_kill",
            "1 were not; the first is call 2 of client 1".to_owned()
        )]
    );
    // More than can have been in flight.
    let found = broken(|evidence| evidence.told[1][2] = Outcome::Indeterminate);
    assert_eq!(names(&found), ["indeterminate_only_after_the_kill"]);
    assert_eq!(
        names(&broken(|evidence| evidence.bad_in_planned_work = 1)),
        ["planned_work_fails_no_call"]
    );
}

#[test]
fn versions_and_exit_statuses_are_as_was_said() {
    assert_eq!(
        broken(|evidence| evidence.agreed.extend([(0, 1)])),
        [("agreed_on_10", "none in 1 client, 10 in 2 clients".to_owned())]
    );
    assert_eq!(names(&broken(|evidence| evidence.agreed = ByVersion::new())), ["agreed_on_10"]);
    assert_eq!(
        names(&broken(|evidence| evidence.agreed_after_crash = ByVersion::from([(2, 2)]))),
        ["fell_back_to_3"]
    );
    assert_eq!(
        broken(|evidence| evidence.exits[1].1 = Some(3)),
        [("servers_end_cleanly", "exit status: A 0, B 3".to_owned())]
    );
    assert_eq!(names(&broken(|evidence| evidence.exits[0].1 = None)), ["servers_end_cleanly"]);
    assert_eq!(names(&broken(|evidence| evidence.exits.clear())), ["servers_end_cleanly"]);
}
