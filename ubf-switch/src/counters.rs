//! What a switch has counted, for people and monitors.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// What a switch has counted since it began.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Counts {
            $($(#[doc = $doc])+ pub $name: u64,)+
        }

        #[derive(Debug, Default)]
        pub(crate) struct Counters {
            $(pub(crate) $name: AtomicU64,)+
        }

        impl Counters {
            pub(crate) fn counts(&self) -> Counts {
                Counts { $($name: self.$name.load(Ordering::Relaxed),)+ }
            }
        }

        impl Counts {
            /// Each name with its value and what it means, in the order of the fields.
            #[must_use]
            pub fn named(&self) -> Vec<(&'static str, u64, &'static str)> {
                vec![$((stringify!($name), self.$name, concat!($($doc),+)),)+]
            }
        }
    };
}

counters! {
    /// Connections of clients that were taken.
    accepted,
    /// Connections of clients that were turned away, because there were too many.
    turned_away,
    /// Clients that said nothing in time, or nothing that leads anywhere.
    too_slow,
    /// Clients that were joined to a node.
    joined,
    /// Clients that were told that no node can be reached.
    without_node,
    /// Sessions that went on at their node.
    resumed,
    /// Nodes that were asked for a session that they did not have.
    asked_in_vain,
    /// Clients that were told to come again, since another node has their version.
    led_elsewhere,
    /// Packets of nodes that named another server.
    next_ips,
    /// Connections to nodes that could not be made.
    node_failures,
    /// Handshakes of TLS that failed.
    handshakes_failed,
    /// Bytes from clients to nodes.
    bytes_up,
    /// Bytes from nodes to clients.
    bytes_down,
    /// Connections that were cut, since the switch had to end.
    cut,
}

/// Counts one more.
pub(crate) fn count(counter: &AtomicU64) {
    add(counter, 1);
}

pub(crate) fn add(counter: &AtomicU64, more: u64) {
    counter.fetch_add(more, Ordering::Relaxed);
}
