//! Types that are written the same way in both contracts: nothing has to be asked about them.
//!
//! Mostly few types of a large contract change. That the others are the same is seen in time linear
//! in their size, however they are made of one another.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::graph::{Meaning, NodeId, TypeGraph};

type Pair = (NodeId, NodeId);

/// For nodes of the new graph the node of the old one that takes the same terms, as far as that can
/// be seen from how they are written.
///
/// Types of one name are taken to be the same, and so are their parts, until something differs:
/// then whatever is made of that is not the same. What is left has no difference anywhere, however
/// deep one looks.
pub(super) fn same_nodes(old: &TypeGraph, new: &TypeGraph) -> BTreeMap<NodeId, NodeId> {
    let mut made_of_it: BTreeMap<Pair, Vec<Pair>> = BTreeMap::new();
    let mut open: Vec<Pair> = Vec::new();
    let mut different: Vec<Pair> = Vec::new();
    for (name, node) in old.all_named() {
        if let Some(other) = new.named(name.as_bytes())
            && made_of_it.insert((node, other), Vec::new()).is_none()
        {
            open.push((node, other));
        }
    }
    while let Some(pair) = open.pop() {
        let (one, other) = (old.meaning(pair.0), new.meaning(pair.1));
        if !is_alike(one, other) {
            different.push(pair);
            continue;
        }
        for part in one.parts().iter().copied().zip(other.parts().iter().copied()) {
            made_of_it.entry(part).or_insert_with(|| {
                open.push(part);
                Vec::new()
            });
            if let Some(wholes) = made_of_it.get_mut(&part) {
                wholes.push(pair);
            }
        }
    }
    while let Some(pair) = different.pop() {
        // Once it is gone, what is made of it has been told.
        different.extend(made_of_it.remove(&pair).unwrap_or_default());
    }
    made_of_it.into_keys().map(|(one, other)| (other, one)).collect()
}

/// Whether two nodes differ in nothing but, perhaps, in what they are made of.
fn is_alike(one: &Meaning, other: &Meaning) -> bool {
    match (one, other) {
        (Meaning::Tuple(parts), Meaning::Tuple(others))
        | (Meaning::Alternatives(parts), Meaning::Alternatives(others)) => {
            parts.len() == others.len()
        }
        (Meaning::List { min, max, .. }, Meaning::List { min: other_min, max: other_max, .. }) => {
            (min, max) == (other_min, other_max)
        }
        (Meaning::String(_), Meaning::String(_)) => true,
        (one, other) => one.parts().is_empty() && one == other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Reader, Strings};

    fn graph(types: &str) -> TypeGraph {
        let text = alloc::format!("+NAME(\"m\"). +VSN(\"1\"). +TYPES {types}.");
        TypeGraph::new(&Reader::new().read(&text).unwrap(), Strings::Apart)
    }

    #[test]
    fn what_is_made_of_something_that_differs_is_not_the_same() {
        let old = graph(
            "a() :: {a, b()}; b() :: {b, c()} | x; c() :: 1..3; d() :: [d()]; e() :: {e, d()}",
        );
        let new = graph(
            "a() :: {a, b()}; b() :: {b, c()} | x; c() :: 1..4; d() :: [d()]; e() :: {e, d()}",
        );
        let same = same_nodes(&old, &new);
        for (name, is_same) in [("a", false), ("b", false), ("c", false), ("d", true), ("e", true)]
        {
            let [one, other] = [&old, &new].map(|graph| graph.named(name.as_bytes()).unwrap());
            assert_eq!(same.get(&other) == Some(&one), is_same, "{name}");
        }
    }
}
