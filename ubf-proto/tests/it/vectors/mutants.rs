//! Rules of sessions that are taken away one at a time: the vectors alone must notice, since they
//! are all that another implementation is judged by.

use std::panic;

use ubf_conformance::dialogue::Folder;
use ubf_conformance::outcome::Side;
use ubf_proto::mutant::{Mutant, with};

use super::failures;

const ALL: [Mutant; 19] = [
    Mutant::RepeatsTooEarly,
    Mutant::RepeatsTooLate,
    Mutant::RefusalsWithoutNumber,
    Mutant::KeptRefusalsWithoutK,
    Mutant::KeptRefusalsForTheFirstDue,
    Mutant::NoBarrier,
    Mutant::NoTurn,
    Mutant::IdOpenedTwice,
    Mutant::ReceivedIgnoresDone,
    Mutant::PendingStopsReading,
    Mutant::SeenOnlyAtRest,
    Mutant::KeptNextIp,
    Mutant::KeptFromOpening,
    Mutant::OptimisticResume,
    Mutant::EndsBetweenConnections,
    Mutant::OwnerThatLeftIsForgotten,
    Mutant::NotTakenMayHaveRun,
    Mutant::CordonShutsOutHalfOpen,
    Mutant::CordonLetsAnybodyIn,
];

/// How many dialogues are not followed without the rule. An end that panics follows none.
fn noticed(mutant: Mutant) -> usize {
    let of_side = |side| {
        let run = || with(mutant, || failures(Folder::Sessions, side).len());
        panic::catch_unwind(run).unwrap_or(1)
    };
    of_side(Side::Client) + of_side(Side::Server)
}

#[test]
fn the_vectors_notice_each_rule_that_is_taken_away() {
    let counts = ALL.map(|mutant| (mutant, noticed(mutant)));
    for (mutant, count) in counts {
        println!("{mutant:?}: {count}");
    }
    let survivors = counts.iter().filter(|(_, count)| *count == 0).map(|(mutant, _)| mutant);
    let survivors: Vec<_> = survivors.collect();
    assert!(survivors.is_empty(), "{survivors:?}");
}

/// S4: in memory nobody has received less than is done, so that no search can miss this rule.
#[test]
fn mutant_received_ignores_done() {
    let failures = with(Mutant::ReceivedIgnoresDone, || failures(Folder::Sessions, Side::Server));
    let [failure] = failures.as_slice() else { panic!("{failures:#?}") };
    let name = "server-resuming: what the client says it has done counts as received: ";
    assert!(failure.starts_with(name), "{failure}");
}
