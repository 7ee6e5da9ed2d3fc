//! Which nodes some term is of: the least fixed point, in time linear in the graph.

use alloc::vec;
use alloc::vec::Vec;

use super::{Meaning, NodeId};

pub(super) fn of(nodes: &[Meaning]) -> Vec<bool> {
    let mut inhabited = vec![false; nodes.len()];
    // How many parts of a node have to be found inhabited before it is.
    let mut needed: Vec<usize> = nodes.iter().map(needs).collect();
    let mut users: Vec<Vec<NodeId>> = vec![Vec::new(); nodes.len()];
    for (at, meaning) in nodes.iter().enumerate() {
        for part in meaning.parts() {
            if let Some(users) = users.get_mut(part.index()) {
                users.push(NodeId::at(at));
            }
        }
    }
    let mut open: Vec<usize> = (0..nodes.len())
        .filter(|at| needed.get(*at) == Some(&0) && nodes.get(*at) != Some(&Meaning::Nothing))
        .collect();
    while let Some(at) = open.pop() {
        let Some(place) = inhabited.get_mut(at).filter(|place| !**place) else { continue };
        *place = true;
        for user in users.get(at).into_iter().flatten() {
            let Some(needed) = needed.get_mut(user.index()) else { continue };
            *needed = needed.saturating_sub(1);
            if *needed == 0 {
                open.push(user.index());
            }
        }
    }
    inhabited
}

fn needs(meaning: &Meaning) -> usize {
    match meaning {
        Meaning::Tuple(parts) => parts.len(),
        Meaning::Alternatives(_) | Meaning::String(_) => 1,
        Meaning::List { min, .. } => usize::from(*min > 0),
        Meaning::Anything
        | Meaning::Nothing
        | Meaning::AnyBut(_)
        | Meaning::Atom(_)
        | Meaning::AtomLiteral(_)
        | Meaning::Binary(_)
        | Meaning::BinaryLiteral(_)
        | Meaning::Integer { .. }
        | Meaning::Float
        | Meaning::FloatLiteral(_)
        | Meaning::Codes(_)
        | Meaning::AnyTuple { .. }
        | Meaning::StringLiteral(_) => 0,
    }
}
