//! What is counted. The words are those of the notices and of the logs.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $name:ident,)*) => {
        /// What a server has counted since it was started.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Counts {
            $($(#[doc = $doc])+ pub $name: u64,)*
        }

        /// What the connections of a server count together.
        #[derive(Debug, Default)]
        pub(crate) struct Counters {
            $(pub(crate) $name: Counter,)*
        }

        impl Counters {
            pub(crate) fn counts(&self) -> Counts {
                Counts { $($name: self.$name.count(),)* }
            }
        }

        impl Counts {
            /// The counters by name, for logs and metrics.
            #[must_use]
            pub fn named(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name),)*]
            }

            /// What each counter counts, in one sentence or more, in the order of
            /// [`named`](Self::named).
            #[must_use]
            pub fn meanings() -> Vec<(&'static str, &'static str)> {
                vec![$((stringify!($name), concat!($($doc),+).trim_ascii()),)*]
            }
        }
    };
}

counters! {
    /// Connections that were served.
    connections,
    /// Connections that were closed at once, since there were too many in all or from their
    /// address, or because of a cordon.
    connections_refused,
    /// Connections that were closed at once, since the peer may not connect.
    connections_not_allowed,
    /// Negotiations that were refused, since the peer may not use the service (N14).
    services_not_allowed,
    /// TLS handshakes that failed, or took too long, and what came from a balancer and named no
    /// client.
    handshakes_failed,
    /// Connections that were closed at once, since too many handshakes were under way.
    handshakes_refused,
    /// Requests that were handed to handlers.
    requests,
    /// Events that were handed to handlers.
    events_in,
    /// Events for clients.
    events_out,
    /// Negotiations that agreed on a version.
    agreed,
    /// Negotiations without a common version.
    no_common_version,
    /// Packets that were not executed because of their version (N4).
    refused,
    /// Handlers that panicked (N6), and those whose reply had the form of an event (P3).
    failed,
    /// Requests whose handlers said that they failed, and may have done some of their work.
    failed_by_handler,
    /// Requests whose handlers said that they did nothing.
    refused_by_handler,
    /// Handlers that took too long, and were dropped (L2).
    timed_out,
    /// Versions that crashes have withdrawn (N6).
    withdrawn,
    /// Silent clients that were told to move (R3).
    moved,
    /// Clients that broke the syntax or sent a malformed packet of version 0 (L3).
    bad_syntax,
    /// Clients that reported that our bytes are no packets.
    reported_errors,
    /// Clients that were too slow: to negotiate, to send a packet, to read, or that were silent for
    /// too long (L1).
    too_slow,
    /// Connections that were lost, and not closed by either side.
    lost,
    /// Connections whose task panicked, which no code of a service causes: a fault of this library,
    /// or of a stream that the program made.
    connections_crashed,
    /// Sessions that were granted (S1).
    sessions,
    /// Connections with which a session went on (S4).
    sessions_resumed,
    /// Sessions that ended because nobody went on with them (S6).
    sessions_expired,
    /// Sessions that the server gave up: to make room, or as it stopped (S6, S10).
    sessions_given_up,
    /// Sessions that went to another process (U2).
    sessions_given,
    /// Sessions that came from another process (U2).
    sessions_taken,
    /// Connections of stock clients that went to another process (U2).
    connections_given,
    /// Connections of stock clients that came from another process (U2).
    connections_taken,
    /// Answers of sessions that the server gave up, that were not acknowledged, and handlers that
    /// ran for them; but for those of clients that were told that the server stops.
    answers_lost,
    /// Calls that were begun and never answered because the server stopped (R8).
    calls_cut,
    /// Connections of stock peers, which are among those that were served (Q2).
    classic_connections,
    /// Requests of stock peers that their contract did not allow, and that did not run (Q7).
    classic_client_broke,
    /// Replies to stock peers that their contract did not allow, and that were not sent (Q7).
    classic_server_broke,
    /// Events for stock peers that were not sent: not allowed, too many, or none are wanted (Q8).
    classic_events_dropped,
    /// Events of stock peers that were not taken: not allowed, or no service has begun (Q9).
    classic_events_ignored,
}

/// What is counted for each message: each connection does so for itself, and is added to the
/// server's when it ends, so that no two of them write to one place.
#[derive(Debug, Default)]
pub(crate) struct Messages {
    pub(crate) requests: Counter,
    pub(crate) events_in: Counter,
    pub(crate) events_out: Counter,
}

impl Counters {
    pub(crate) fn add(&self, messages: &Messages) {
        let Messages { requests, events_in, events_out } = messages;
        self.requests.add(requests.count());
        self.events_in.add(events_in.count());
        self.events_out.add(events_out.count());
    }
}

impl Counts {
    pub(crate) fn plus(mut self, messages: &Messages) -> Self {
        let Messages { requests, events_in, events_out } = messages;
        self.requests += requests.count();
        self.events_in += events_in.count();
        self.events_out += events_out.count();
        self
    }
}

#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// As `add`, where nobody else adds: then it takes no turn with others.
    pub(crate) fn add_alone(&self, count: u64) {
        self.0.store(self.count() + count, Ordering::Relaxed);
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_counter_says_what_it_counts() {
        let named = Counts::default().named();
        let meanings = Counts::meanings();
        assert_eq!(named.len(), meanings.len());
        for ((name, _), (meant, meaning)) in named.into_iter().zip(meanings) {
            assert_eq!(name, meant);
            assert!(meaning.ends_with('.') && !meaning.starts_with(' '), "{name}: {meaning}");
        }
    }
}
