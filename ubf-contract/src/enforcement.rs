//! What those who hold sessions against contracts have in common: how strict they are, and what
//! they count.

/// What becomes of a message that its contract does not allow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Enforcement {
    /// Nothing is checked. The contract is only shown to those who ask for it.
    Off,
    /// It is logged and counted, and goes its way.
    Log,
    /// It is logged and counted, and does not go its way.
    #[default]
    Enforce,
}

/// How often contracts were broken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ContractCounts {
    /// Requests that are not allowed.
    pub client_broke: u64,
    /// Replies that are not allowed.
    pub server_broke: u64,
    /// Events from clients that are not allowed.
    pub events_in: u64,
    /// Events to clients that are not allowed.
    pub events_out: u64,
}
