//! Alternatives that are alternatives of others, or of themselves.

use alloc::collections::BTreeSet;
use alloc::vec;
use alloc::vec::Vec;

use super::{Meaning, NodeId};

/// Alternatives with at most so many parts are put into those of which they are a part: there is
/// less to walk then, and the graph grows by at most this factor.
const MAX_INLINE: usize = 32;

/// Makes alternatives that lead back to themselves finite: each of a circle means what all of them
/// offer beside each other. Alternatives of one are that one, those of none are nothing.
pub(super) fn settle(nodes: &mut [Meaning]) {
    for group in groups(nodes) {
        let members: BTreeSet<NodeId> = group.iter().copied().collect();
        let mut parts: Vec<NodeId> = Vec::new();
        let mut seen = BTreeSet::new();
        let mut all = false;
        for member in &group {
            for part in alternatives(nodes, *member) {
                if members.contains(part) {
                    continue;
                }
                match nodes.get(part.index()) {
                    Some(Meaning::Anything) => all = true,
                    Some(Meaning::Nothing) | None => {}
                    Some(Meaning::Alternatives(inner)) if inner.len() <= MAX_INLINE => {
                        parts.extend(inner.iter().filter(|inner| seen.insert(**inner)));
                    }
                    Some(_) => parts.extend(seen.insert(*part).then_some(*part)),
                }
            }
        }
        let meaning = match (all, parts.as_slice()) {
            (true, _) => Meaning::Anything,
            (false, []) => Meaning::Nothing,
            (false, [one]) => nodes.get(one.index()).cloned().unwrap_or(Meaning::Nothing),
            (false, _) => Meaning::Alternatives(parts.into_boxed_slice()),
        };
        for member in group {
            if let Some(node) = nodes.get_mut(member.index()) {
                *node = meaning.clone();
            }
        }
    }
}

fn alternatives(nodes: &[Meaning], node: NodeId) -> &[NodeId] {
    match nodes.get(node.index()) {
        Some(Meaning::Alternatives(parts)) => parts,
        _ => &[],
    }
}

/// Nodes that are alternatives, in groups of those that lead to each other; a group comes after all
/// groups to which it leads. This is Tarjan's algorithm, with a stack of its own.
fn groups(nodes: &[Meaning]) -> Vec<Vec<NodeId>> {
    #[derive(Clone, Copy, PartialEq)]
    enum Mark {
        New,
        Open { low: u32 },
        Done,
    }
    let mut marks = vec![Mark::New; nodes.len()];
    let mut found = Vec::new();
    let mut open: Vec<NodeId> = Vec::new();
    let mut order = 0_u32;
    for root in (0..nodes.len()).map(NodeId::at) {
        let is_union = matches!(nodes.get(root.index()), Some(Meaning::Alternatives(_)));
        if !is_union || marks.get(root.index()) != Some(&Mark::New) {
            continue;
        }
        // Node, its own number, and how many of its parts have been looked at.
        let mut path: Vec<(NodeId, u32, usize)> = Vec::new();
        let mut next = Some(root);
        loop {
            if let Some(node) = next.take() {
                if let Some(mark) = marks.get_mut(node.index()) {
                    *mark = Mark::Open { low: order };
                }
                path.push((node, order, 0));
                open.push(node);
                order += 1;
            }
            let Some((node, number, looked)) = path.last_mut() else { break };
            let (node, number) = (*node, *number);
            let part = alternatives(nodes, node).get(*looked).copied();
            *looked += 1;
            if let Some(part) = part {
                match marks.get(part.index()).copied() {
                    Some(Mark::New)
                        if matches!(nodes.get(part.index()), Some(Meaning::Alternatives(_))) =>
                    {
                        next = Some(part);
                    }
                    Some(Mark::Open { low }) => lower(&mut marks, node, low),
                    Some(Mark::New | Mark::Done) | None => {}
                }
                continue;
            }
            path.pop();
            let low = match marks.get(node.index()) {
                Some(Mark::Open { low }) => *low,
                _ => number,
            };
            if low == number {
                let at = open.iter().rposition(|one| *one == node).unwrap_or(open.len());
                let group = open.split_off(at);
                for member in &group {
                    if let Some(mark) = marks.get_mut(member.index()) {
                        *mark = Mark::Done;
                    }
                }
                found.push(group);
            } else if let Some((parent, _, _)) = path.last() {
                lower(&mut marks, *parent, low);
            }
        }
    }
    return found;

    fn lower(marks: &mut [Mark], node: NodeId, to: u32) {
        if let Some(Mark::Open { low }) = marks.get_mut(node.index()) {
            *low = (*low).min(to);
        }
    }
}
