//! Each promise can be broken, and only that one is then said to be.

use super::*;

const fn call(client: u64, number: u64) -> CallName {
    CallName { client, number }
}

/// Two clients of A and B with three calls each, and two of C with two each.
fn good() -> Evidence {
    use Outcome::Answered;
    Evidence {
        told: vec![vec![Answered; 3]; 2],
        executed: [(1, 1), (1, 2), (1, 3), (2, 1), (2, 2), (2, 3)]
            .map(|(client, number)| (call(client, number), 1))
            .into(),
        bad_in_planned_work: 0,
        ledger: good_ledger(),
        agreed: ByVersion::from([(10, 2)]),
        agreed_after_crash: ByVersion::from([(3, 2)]),
        exits: vec![("A".into(), Some(0)), ("B".into(), Some(0))],
    }
}

fn good_ledger() -> LedgerEvidence {
    let row = |number, from: &str, to: &str| (number, (from.to_owned(), to.to_owned(), 1));
    LedgerEvidence {
        told: vec![vec![Outcome::Answered; 2]; 2],
        numbers: vec![vec![1, 3], vec![2, 4]],
        shown: Some(5),
        rows: [
            row(1, "2", "4"),
            row(2, "3", "6"),
            row(3, "3", "5"),
            row(4, "4", "7"),
            row(5, "0", "1"),
        ]
        .into(),
        sum: ledger::Sum { accounts: 16, cents: 900, made: 900, transfers: 5 },
        put: 900,
        accounts: 16,
        resumed: 6,
        written: [34, 34, 34, 35],
        is_rolled_back: true,
        handed: ledger::Handed { rows: 30, sessions: 3, followed: [2, 2], pause_us: Some(9_500) },
        kills: 3,
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
        (10, 10, 0, 0)
    );
    assert_eq!(verdict.indeterminate, 0);
}

#[test]
fn money_that_is_made_or_lost_breaks_a_promise() {
    let found = broken(|evidence| evidence.ledger.sum.cents = 899);
    assert_eq!(found, [("money_is_kept", "899 of 900 cents, 5 transfers".to_owned())]);
    for change in [
        (|ledger| ledger.sum.made = 901) as fn(&mut LedgerEvidence),
        |ledger| ledger.sum.accounts = 15,
        |ledger| ledger.sum.transfers = 6,
    ] {
        assert_eq!(names(&broken(|evidence| change(&mut evidence.ledger))), ["money_is_kept"]);
    }
}

#[test]
fn rows_that_stay_or_clients_that_do_not_follow_break_a_promise() {
    let found = broken(|evidence| evidence.ledger.handed.followed = [1, 2]);
    let text = "30 rows and 3 sessions in 9 ms; 1 of 2 clients followed".to_owned();
    assert_eq!(found, [("handed_off", text)]);
    for change in [
        (|handed| handed.rows = 0) as fn(&mut ledger::Handed),
        |handed| handed.sessions = 1,
        |handed| handed.pause_us = None,
        |handed| *handed = ledger::Handed::default(),
    ] {
        assert_eq!(names(&broken(|evidence| change(&mut evidence.ledger.handed))), ["handed_off"]);
    }
}

#[test]
fn an_answer_without_its_transfer_is_a_lost_call() {
    // Its row is not there, or is another's.
    let found = broken(|evidence| evidence.ledger.numbers[1][1] = 9);
    assert_eq!(found[0], ("lost", "1; the first is call 2 of client 2".to_owned()));
    let found = broken(|evidence| evidence.ledger.numbers[1][1] = 0);
    assert_eq!(names(&found), ["lost", "executed_twice"]);
    let found = broken(|evidence| evidence.ledger.numbers[0][1] = 1);
    assert_eq!(names(&found), ["lost", "executed_twice"]);
}

#[test]
fn a_transfer_that_nobody_was_told_of_was_made_twice() {
    let found = broken(|evidence| {
        evidence.ledger.rows.insert(6, ("2".into(), "4".into(), 1));
        evidence.ledger.sum.transfers = 6;
    });
    assert_eq!(found, [("executed_twice", "1; the first is transfer 6".to_owned())]);
}

#[test]
fn a_call_in_doubt_breaks_a_promise_wherever_it_was() {
    let text = "1; the first is call 2 of client 1".to_owned();
    let found = broken(|evidence| evidence.told[0][1] = Outcome::Indeterminate);
    assert_eq!(found, [("none_indeterminate", text.clone())]);
    let found = broken(|evidence| {
        let ledger = &mut evidence.ledger;
        ledger.told[0][1] = Outcome::Late;
        ledger.rows.remove(&3);
        ledger.rows.insert(3, ("0".into(), "1".into(), 1));
        ledger.shown = Some(3);
        ledger.rows.remove(&5);
        ledger.sum.transfers = 4;
    });
    assert_eq!(found, [("none_indeterminate", text)]);
}

#[test]
fn what_did_not_happen_is_not_promised() {
    for (change, name) in [
        ((|ledger| ledger.resumed = 0) as fn(&mut LedgerEvidence), "cuts_lose_no_call"),
        (|ledger| ledger.written[1] = 35, "upgraded_in_place"),
        (|ledger| ledger.is_rolled_back = false, "rolled_back_by_itself"),
        (|ledger| ledger.kills = 0, "survives_kills"),
        (|ledger| ledger.written[3] = 34, "finalized"),
    ] {
        let found = broken(|evidence| change(&mut evidence.ledger));
        assert!(names(&found).contains(&name), "{name}: {found:?}");
    }
}

#[test]
fn a_second_record_is_a_second_execution() {
    let found = broken(|evidence| *evidence.executed.get_mut(&call(1, 2)).unwrap() = 2);
    assert_eq!(found, [("executed_twice", "1; the first is call 2 of client 1".to_owned())]);
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
fn a_bad_end_in_planned_work_breaks_a_promise() {
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
