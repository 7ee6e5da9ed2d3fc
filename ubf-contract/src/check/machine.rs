//! Checking a term against a node: a loop over a stack of what is open, so that no depth of the
//! term exhausts the machine's stack.
//!
//! Parts of a term do not depend on each other: when an alternative has taken its part, the others
//! need not be tried again, whatever comes after. So a stack of frames is all that there is to
//! backtracking.

use alloc::vec::Vec;
use core::slice;

use super::leaf::{Look, look, quick_look};
use super::limits::{CheckLimits, Exceeded};
use super::subject::{Elements, Items, Subject};
use crate::graph::{NodeId, TypeGraph};

/// Something that is open.
pub(super) enum Frame<'g, 't> {
    /// The elements from the one at `index` on are still to be looked at.
    Tuple { nodes: slice::Iter<'g, NodeId>, elements: Elements<'t>, of: NodeId, index: u32 },
    /// So are the items.
    List { item: NodeId, items: Items<'t>, index: u32 },
    /// If the alternative that is being looked at fails, these are left.
    Choice { others: slice::Iter<'g, NodeId>, subject: Subject<'t>, of: NodeId, chosen: NodeId },
}

/// Who wants to know how the check goes.
pub(super) trait Watch<'g, 't> {
    /// Whether a choice stays open until its last alternative has failed, so that it can be seen.
    const KEEPS_CHOICES: bool;

    /// The subject is not of the node.
    fn failed(&mut self, node: NodeId, subject: Subject<'t>, open: &Stack<'g, 't>);
}

/// Nobody.
pub(super) struct Nobody;

impl<'g, 't> Watch<'g, 't> for Nobody {
    const KEEPS_CHOICES: bool = false;

    #[inline]
    fn failed(&mut self, _: NodeId, _: Subject<'t>, _: &Stack<'g, 't>) {}
}

/// So many frames need no memory: terms that are not deeper than that are checked without.
const INLINE: usize = 10;

/// The open frames, the innermost last.
pub(super) struct Stack<'g, 't> {
    first: [Option<Frame<'g, 't>>; INLINE],
    len: usize,
    others: Vec<Frame<'g, 't>>,
}

impl<'g, 't> Stack<'g, 't> {
    fn new() -> Self {
        Self { first: [const { None }; INLINE], len: 0, others: Vec::new() }
    }

    #[inline]
    fn push(&mut self, frame: Frame<'g, 't>) {
        match self.first.get_mut(self.len) {
            Some(place) => *place = Some(frame),
            None => self.others.push(frame),
        }
        self.len += 1;
    }

    #[inline]
    fn last_mut(&mut self) -> Option<&mut Frame<'g, 't>> {
        if let Some(last) = self.others.last_mut() {
            return Some(last);
        }
        self.first.get_mut(self.len.checked_sub(1)?)?.as_mut()
    }

    #[inline]
    fn pop(&mut self) {
        self.len = self.len.saturating_sub(1);
        if self.others.pop().is_none()
            && let Some(place) = self.first.get_mut(self.len)
        {
            *place = None;
        }
    }

    /// The frames, the outermost first.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &Frame<'g, 't>> {
        self.first.iter().flatten().chain(&self.others)
    }
}

/// Whether the term is of the node.
pub(super) fn run<'g, 't, W: Watch<'g, 't>>(
    graph: &'g TypeGraph,
    node: NodeId,
    subject: Subject<'t>,
    limits: &CheckLimits,
    watch: &mut W,
) -> Result<bool, Exceeded> {
    let mut open = Stack::new();
    let mut steps = limits.max_steps;
    let mut goal = (node, subject);
    // What a look at the goal says, if it was looked at already.
    let mut seen = None;
    loop {
        let (node, subject) = goal;
        let looked = match seen.take() {
            Some(looked) => looked,
            None => {
                steps = steps.checked_sub(1).ok_or(Exceeded::Steps(limits.max_steps))?;
                look(graph, node, subject)
            }
        };
        let frame = match looked {
            Look::Yes => match next_after_yes::<W>(graph, &mut open, &mut steps) {
                Next::Goal(next) => {
                    goal = next;
                    continue;
                }
                Next::No => {
                    seen = Some(Look::No);
                    continue;
                }
                Next::Done => return Ok(true),
            },
            Look::No => {
                watch.failed(node, subject, &open);
                match next_after_no(&mut open, W::KEEPS_CHOICES) {
                    Some(next) => {
                        goal = next;
                        continue;
                    }
                    None => return Ok(false),
                }
            }
            Look::Instead(node, subject) => {
                goal = (node, subject);
                continue;
            }
            Look::Elements(nodes, mut elements) => {
                let total = elements_before(graph, node, nodes);
                let mut nodes = nodes.iter();
                // Whoever says `Elements` has looked that there is at least one.
                let mut index = total;
                match next_element::<W>(graph, &mut nodes, &mut elements, &mut index, &mut steps) {
                    Next::Goal(next) => goal = next,
                    Next::No => {
                        seen = Some(Look::No);
                        continue;
                    }
                    Next::Done => {
                        seen = Some(Look::Yes);
                        continue;
                    }
                }
                Frame::Tuple { nodes, elements, of: node, index }
            }
            Look::Items(item, mut items) => {
                let Some(first) = items.next() else {
                    seen = Some(Look::Yes);
                    continue;
                };
                goal = (item, first);
                Frame::List { item, items, index: 0 }
            }
            Look::Choice(nodes) if !W::KEEPS_CHOICES => {
                // Most alternatives say yes or no at once: then nothing has to be kept open.
                let mut others = nodes.iter();
                let mut open_one = None;
                for chosen in others.by_ref() {
                    steps = steps.checked_sub(1).ok_or(Exceeded::Steps(limits.max_steps))?;
                    let looked = look(graph, *chosen, subject);
                    if !matches!(looked, Look::No) {
                        open_one = Some((*chosen, looked));
                        break;
                    }
                }
                let Some((chosen, looked)) = open_one else {
                    seen = Some(Look::No);
                    continue;
                };
                let is_last = others.len() == 0 || matches!(looked, Look::Yes);
                goal = (chosen, subject);
                seen = Some(looked);
                if is_last {
                    // What this one says is what the choice says.
                    continue;
                }
                Frame::Choice { others, subject, of: node, chosen }
            }
            Look::Choice(nodes) => {
                let mut others = nodes.iter();
                let Some(chosen) = others.next().copied() else {
                    debug_assert!(false, "there are at least two alternatives");
                    return Ok(false);
                };
                goal = (chosen, subject);
                Frame::Choice { others, subject, of: node, chosen }
            }
        };
        if open.len >= limits.max_depth as usize {
            return Err(Exceeded::Depth(limits.max_depth));
        }
        open.push(frame);
    }
}

/// How many elements of a tuple were looked at before those of `nodes`.
fn elements_before(graph: &TypeGraph, tuple: NodeId, nodes: &[NodeId]) -> u32 {
    let all = graph.meaning(tuple).parts().len();
    u32::try_from(all.saturating_sub(nodes.len())).unwrap_or(u32::MAX)
}

/// What comes next.
enum Next<'t> {
    Goal((NodeId, Subject<'t>)),
    /// A part does not fit.
    No,
    /// All parts fit.
    Done,
}

/// The first element of a tuple that is no matter of one look. `index` is that of the next element
/// when it is called, and of the found one afterwards.
#[inline]
fn next_element<'g, 't, W: Watch<'g, 't>>(
    graph: &'g TypeGraph,
    nodes: &mut slice::Iter<'g, NodeId>,
    elements: &mut Elements<'t>,
    index: &mut u32,
    steps: &mut u64,
) -> Next<'t> {
    while let (Some(node), Some(element)) = (nodes.next(), elements.next()) {
        // Who watches wants to see each part fail in its place.
        let quick = if W::KEEPS_CHOICES { None } else { quick_look(graph, *node, element) };
        match quick {
            Some(true) => {
                *steps = steps.saturating_sub(1);
                *index += 1;
            }
            Some(false) => return Next::No,
            None => return Next::Goal((*node, element)),
        }
    }
    Next::Done
}

/// What to look at next when the innermost part fits.
#[inline]
fn next_after_yes<'g, 't, W: Watch<'g, 't>>(
    graph: &'g TypeGraph,
    open: &mut Stack<'g, 't>,
    steps: &mut u64,
) -> Next<'t> {
    while let Some(frame) = open.last_mut() {
        match frame {
            Frame::Tuple { nodes, elements, index, .. } => {
                *index += 1;
                let next = next_element::<W>(graph, nodes, elements, index, steps);
                if !matches!(next, Next::Done) {
                    return next;
                }
            }
            Frame::List { item, items, index } => {
                if let Some(next) = items.next() {
                    *index += 1;
                    return Next::Goal((*item, next));
                }
            }
            Frame::Choice { .. } => {}
        }
        open.pop();
    }
    Next::Done
}

/// What to look at next when the innermost part does not fit; nothing if no alternative is left.
#[inline]
fn next_after_no<'t>(open: &mut Stack<'_, 't>, keep: bool) -> Option<(NodeId, Subject<'t>)> {
    loop {
        if let Frame::Choice { others, subject, chosen, .. } = open.last_mut()?
            && let Some(node) = others.next()
        {
            let goal = (*node, *subject);
            *chosen = *node;
            if others.len() == 0 && !keep {
                // What the last one says is what the choice says.
                open.pop();
            }
            return Some(goal);
        }
        open.pop();
    }
}
