//! What is compared of an end, and what is not: machines that do too little, too much, or the same
//! in another order.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test may fail loudly")]

use ubf_conformance::dialogue::{Act, Beginning, Folder, Machine, Strictness, Told, load, play};
use ubf_conformance::files::Files;
use ubf_conformance::implementation::Answer;
use ubf_conformance::ours::Machines;
use ubf_conformance::outcome::Side;

/// This project's machines, whose acts are changed before they are seen.
struct Changed {
    machines: Machines,
    change: fn(Vec<Act>) -> Vec<Act>,
}

impl Machine for Changed {
    fn begin(&mut self, beginning: &Beginning) -> Answer<Vec<Act>> {
        self.machines.begin(beginning).map(self.change)
    }

    fn tell(&mut self, told: &Told) -> Answer<Vec<Act>> {
        self.machines.tell(told).map(self.change)
    }
}

/// How many dialogues the changed machines follow, and how many there are.
fn followed(change: fn(Vec<Act>) -> Vec<Act>, strictness: Strictness) -> (usize, usize) {
    let (mut followed, mut all) = (0, 0);
    for folder in Folder::ALL {
        for dialogue in load(&Files::built_in(), folder).unwrap() {
            for side in Side::ALL.into_iter().filter(|side| dialogue.is_for(*side)) {
                let mut machine = Changed { machines: Machines::default(), change };
                followed += usize::from(play(&mut machine, &dialogue, side, strictness).is_ok());
                all += 1;
            }
        }
    }
    assert!(all > 300, "{all}");
    (followed, all)
}

const LOOSE: Strictness = Strictness { with_notices: false, in_one_order: false };

fn is_notice(act: &Act) -> bool {
    matches!(act, Act::Notice { .. })
}

#[test]
fn who_does_all_of_it_follows() {
    let (followed, all) =
        followed(|acts| acts, Strictness { with_notices: true, in_one_order: true });
    assert_eq!(followed, all);
}

#[test]
fn who_leaves_something_out_does_not() {
    let without_last = |mut acts: Vec<Act>| {
        acts.retain(|act| !is_notice(act));
        acts.pop();
        acts
    };
    let (followed, _) = followed(without_last, LOOSE);
    assert_eq!(followed, 0);
}

#[test]
fn who_does_more_does_not() {
    let twice = |acts: Vec<Act>| acts.into_iter().flat_map(|act| [act.clone(), act]).collect();
    let (followed, _) = followed(twice, LOOSE);
    assert_eq!(followed, 0);
}

#[test]
fn notices_are_compared_where_they_are_required() {
    let silent = |acts: Vec<Act>| acts.into_iter().filter(|act| !is_notice(act)).collect();
    let (loosely, all) = followed(silent, LOOSE);
    assert_eq!(loosely, all);
    let (strictly, all) = followed(silent, Strictness { with_notices: true, ..LOOSE });
    assert!(strictly < all);
}

#[test]
fn the_order_between_a_connection_and_the_program_is_free() {
    // What is said to the program first, then what is sent: each in its own order.
    let program_first = |acts: Vec<Act>| {
        let is_wire = |act: &Act| {
            matches!(
                act,
                Act::Send { .. } | Act::Dial { .. } | Act::Hangup { .. } | Act::Closed { .. }
            )
        };
        let (wire, rest): (Vec<Act>, Vec<Act>) = acts.into_iter().partition(is_wire);
        rest.into_iter().chain(wire).collect()
    };
    let (loosely, all) = followed(program_first, LOOSE);
    assert_eq!(loosely, all);
    let (strictly, _) = followed(program_first, Strictness { in_one_order: true, ..LOOSE });
    assert!(strictly < all);
}
