//! A node that keeps counters. `my-node --help` tells what it can be told.

mod counters;

use std::process::ExitCode;

use ubf_node::{Node, NodeService};

use crate::counters::{CounterLimits, Counters};

fn node() -> Node<CounterLimits> {
    let counters =
        NodeService::stateful("counters", |limits: &CounterLimits| Counters::new(limits.clone()))
            .about("Counters that are added to")
            .contract(1..=1, include_str!("../contracts/counters-1.con"));
    Node::with_options("my-node", env!("CARGO_PKG_VERSION"))
        .about("A node that keeps counters.")
        .service(counters)
}

fn main() -> ExitCode {
    node().main()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_command_line_is_consistent() {
        super::node().command().debug_assert();
    }
}
