//! Which nodes some term is of, and how deep the least deep one is: the least fixed point, in time
//! linear in the graph.

use alloc::collections::VecDeque;
use alloc::vec;
use alloc::vec::Vec;

use super::{Meaning, NodeId};

/// For each node the height of its least high term; `None` if no term is of it.
pub(super) fn heights(nodes: &[Meaning]) -> Vec<Option<u32>> {
    let mut heights: Vec<Option<u32>> = vec![None; nodes.len()];
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
    let first = (0..nodes.len())
        .filter(|at| needed.get(*at) == Some(&0) && nodes.get(*at) != Some(&Meaning::Nothing));
    // Lower ones are before higher ones, so that the last part that is found is the highest.
    let mut open: VecDeque<(usize, u32)> = first.map(|at| (at, 0)).collect();
    while let Some((at, height)) = open.pop_front() {
        let Some(place) = heights.get_mut(at).filter(|place| place.is_none()) else { continue };
        *place = Some(height);
        for user in users.get(at).into_iter().flatten() {
            let Some(needed) = needed.get_mut(user.index()) else { continue };
            *needed = needed.saturating_sub(1);
            if *needed == 0 {
                open.push_back((user.index(), height.saturating_add(1)));
            }
        }
    }
    heights
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
