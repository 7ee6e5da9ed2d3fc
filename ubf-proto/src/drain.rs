//! How a server goes away (R8).

use core::time::Duration;

use ubf_codec::NextIp;

/// The phases of a server, and of each of its sessions.
///
/// ```text
/// serving ──drain──> draining ──grace over, or no session left──> closing ──hard stop, or no session left──> stopped
///    ^──────undrain──────┘
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// Calls are executed and answered.
    #[default]
    Serving,
    /// Calls are executed and answered with a NextIP.
    Draining,
    /// No further call is executed. Those in progress are answered, then clients are told what was
    /// not executed.
    Closing,
    /// Nothing is left.
    Stopped,
}

impl Phase {
    /// The word for it in logs and answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Serving => "serving",
            Self::Draining => "draining",
            Self::Closing => "closing",
            Self::Stopped => "stopped",
        }
    }
}

/// How a drain goes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DrainPlan {
    /// Where the clients shall go; `None`, if nobody takes over.
    pub next_ip: Option<NextIp>,
    /// How long sessions may go on.
    pub grace: Duration,
    /// How long calls in progress may then take.
    pub hard_stop: Duration,
}

impl DrainPlan {
    /// A drain that sends clients there, lets sessions go on for the grace, and lets calls in
    /// progress then take until the hard stop.
    #[must_use]
    pub fn new(next_ip: impl Into<Option<NextIp>>, grace: Duration, hard_stop: Duration) -> Self {
        Self { next_ip: next_ip.into(), grace, hard_stop }
    }
}
