//! A fleet in which some nodes know state version 1 and some 1 and 2 (T6, T8): upgrades and
//! downgrades, claims, finalizing and its way back, in any order.
//!
//! Checked: the owner can read every row, and the library's own; before anything was finalized an
//! old node could take over; while a contract is offered the write version holds what it says.

use std::format;
use std::hash::Hash;
use std::string::String;

use super::{Must, Steps, World, explore};
use crate::mutant::{self, Mutant};
use crate::{Known, ShardVersions};

const OLD: Known = Known { oldest: 1, newest: 1, format: 1 };
const NEW: Known = Known { oldest: 1, newest: 2, format: 2 };

#[derive(Clone, PartialEq, Eq, Hash)]
struct Fleet {
    nodes: [Known; 2],
    owner: usize,
    versions: ShardVersions,
    /// The state versions of two rows, and the format of a row of the library's.
    rows: [u32; 2],
    library: u32,
    is_offered: bool,
    was_finalized: bool,
    has_shut_out: bool,
    steps_left: u8,
}

impl Fleet {
    const fn new(steps_left: u8) -> Self {
        let versions = ShardVersions::first(1, 1);
        Self {
            nodes: [OLD; 2],
            owner: 0,
            versions,
            rows: [1; 2],
            library: 1,
            is_offered: false,
            was_finalized: false,
            has_shut_out: false,
            steps_left,
        }
    }
}

impl World for Fleet {
    fn form(&self) -> impl Hash {
        self.clone()
    }

    fn steps(&self) -> Steps<Self> {
        let mut steps = Steps::new();
        let mut step = |label: String, change: &dyn Fn(&mut Self)| {
            let mut next = self.clone();
            next.steps_left -= 1;
            change(&mut next);
            steps.push((Must::NotHappen, label, next));
        };
        if self.steps_left == 0 {
            return steps;
        }
        let owner = self.nodes[self.owner];
        for node in (0..2).filter(|node| *node != self.owner) {
            let other = if self.nodes[node] == OLD { NEW } else { OLD };
            step(format!("node {node} changes its release"), &|next| next.nodes[node] = other);
            if self.versions.may_be_owned_by(&self.nodes[node]).is_ok() {
                step(format!("node {node} claims"), &|next| {
                    next.owner = node;
                    next.is_offered &= next.nodes[node] == NEW;
                });
            }
        }
        if owner == NEW {
            if self.versions.state.write == 1
                && let Ok(versions) = self.versions.finalize(&self.nodes)
            {
                step("finalize".into(), &|next| {
                    next.versions = versions;
                    next.was_finalized = true;
                    let mut nodes = next.nodes.iter();
                    next.has_shut_out = nodes.any(|node| versions.may_be_owned_by(node).is_err());
                });
            }
            let needed = self.is_offered.then_some(2);
            if self.versions.state.write == 2
                && let Ok(versions) = self.versions.lower(&owner, 1, needed)
            {
                step("back".into(), &|next| next.versions = versions);
            }
            if self.versions.may_offer(2) && !self.is_offered {
                step("the contract that needs 2 is offered".into(), &|next| next.is_offered = true);
            }
        }
        if self.is_offered {
            step("it is withdrawn".into(), &|next| next.is_offered = false);
        }
        for row in 0..2 {
            let write = self.versions.state.write;
            step(format!("row {row} is written"), &|next| next.rows[row] = write);
        }
        let format = self.versions.library_format(owner.format);
        step("a session is written".into(), &|next| next.library = format);
        let is_all_written = self.rows.iter().all(|row| *row == self.versions.state.write)
            && self.library == self.versions.format.write;
        if is_all_written {
            step("it is swept".into(), &|next| next.versions = next.versions.swept());
        }
        steps
    }

    fn wrong(&self) -> Option<String> {
        let owner = self.nodes[self.owner];
        if self.rows.iter().any(|row| *row < owner.oldest || *row > owner.newest) {
            return Some("the owner cannot read a row".into());
        }
        if self.library > owner.format {
            return Some("the owner cannot read a row of the library".into());
        }
        if self.versions.state.write > owner.newest {
            return Some("the owner does not know the write version".into());
        }
        if !self.was_finalized && self.library > 1 {
            return Some("nothing was finalized, and an old node could not take over".into());
        }
        if self.nodes.iter().any(|node| self.versions.may_be_owned_by(node).is_err())
            && !self.was_finalized
        {
            return Some("nothing was finalized, and a node may not own the shard".into());
        }
        let is_beyond =
            |row: &&u32| **row < self.versions.state.lowest || **row > self.versions.state.highest;
        if let Some(row) = self.rows.iter().find(is_beyond) {
            return Some(format!("a row of version {row} is not among those that are told"));
        }
        if self.has_shut_out {
            return Some("a node was shut out by finalizing".into());
        }
        if self.is_offered && self.versions.state.write < 2 {
            return Some("a contract is offered whose words the rows cannot hold".into());
        }
        None
    }

    fn is_well(&self) -> bool {
        true
    }
}

#[test]
fn t6_the_owner_can_read_what_it_owns() {
    let steps = if super::is_long() { 30 } else { 14 };
    explore(Fleet::new(steps)).holds(&format!("mixed versions, {steps} steps"));
}

#[test]
fn t6_every_rule_is_needed() {
    for mutant in [
        Mutant::ClaimsBlindly,
        Mutant::FinalizesTooEarly,
        Mutant::LowersUnderAnOffer,
        Mutant::NewestFormat,
    ] {
        let found = mutant::with(mutant, || explore(Fleet::new(14)));
        let Some((why, trace)) = found.wrong else { panic!("{mutant:?} is not found") };
        std::eprintln!("{mutant:?}: {why}, in {} steps of {} states", trace.len(), found.states);
    }
}
