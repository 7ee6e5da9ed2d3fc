//! How calls end, and how many ended how.

use ubf_client::CallError;

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[non_exhaustive]
pub enum Outcome {
    /// It has not ended.
    Open,
    /// A reply came.
    Answered,
    /// A reply came, and it is not the one that was expected.
    WrongReply,
    /// The server's handler crashed on it.
    Failed,
    /// The connection was lost before the reply came: it may have run.
    Indeterminate,
    /// No reply came in time: it may have run.
    Late,
    /// The load ended before the reply came: it may have run.
    Cut,
    /// It was not sent in time.
    NotSent,
    /// The server refused it as often as is tried.
    Refused,
    /// The client's code crashed in all versions that were left.
    Crashed,
    /// No server has a version in common with the client.
    NoCommonVersion,
    /// The server does not accept packets so large.
    TooLarge,
    /// The client does not take it, or is closed.
    NotTaken,
}

impl Outcome {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::Open,
        Self::Answered,
        Self::WrongReply,
        Self::Failed,
        Self::Indeterminate,
        Self::Late,
        Self::Cut,
        Self::NotSent,
        Self::Refused,
        Self::Crashed,
        Self::NoCommonVersion,
        Self::TooLarge,
        Self::NotTaken,
    ];

    /// A name for programs, which does not change.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Answered => "answered",
            Self::WrongReply => "wrong_reply",
            Self::Failed => "failed",
            Self::Indeterminate => "indeterminate",
            Self::Late => "late",
            Self::Cut => "cut",
            Self::NotSent => "not_sent",
            Self::Refused => "refused",
            Self::Crashed => "crashed",
            Self::NoCommonVersion => "no_common_version",
            Self::TooLarge => "too_large",
            Self::NotTaken => "not_taken",
        }
    }

    /// In words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Open => "not ended",
            Self::Answered => "answered",
            Self::WrongReply => "answered with another reply than expected",
            Self::Failed => "the server's handler crashed",
            Self::Indeterminate => "the connection was lost; may have run",
            Self::Late => "no reply in time; may have run",
            Self::Cut => "the load ended before the reply came; may have run",
            Self::NotSent => "not sent in time",
            Self::Refused => "refused by the server",
            Self::Crashed => "the client's code crashed in every version",
            Self::NoCommonVersion => "no common version",
            Self::TooLarge => "too large for the server",
            Self::NotTaken => "not taken by the client",
        }
    }

    /// Whether a reply has come.
    #[must_use]
    pub const fn has_reply(self) -> bool {
        matches!(self, Self::Answered | Self::WrongReply)
    }

    /// Whether nobody can know if it ran.
    #[must_use]
    pub const fn is_indeterminate(self) -> bool {
        matches!(self, Self::Indeterminate | Self::Late | Self::Cut)
    }

    /// Whether it is certain that no server has run it.
    #[must_use]
    pub const fn has_not_run(self) -> bool {
        matches!(
            self,
            Self::NotSent
                | Self::Refused
                | Self::Crashed
                | Self::NoCommonVersion
                | Self::TooLarge
                | Self::NotTaken
        )
    }

    /// Whether it ended otherwise than it should.
    #[must_use]
    pub const fn is_bad(self) -> bool {
        !matches!(self, Self::Open | Self::Answered)
    }

    /// How a call ended badly.
    #[must_use]
    #[expect(clippy::wildcard_enum_match_arm, reason = "some arms are of one variant")]
    pub const fn of(error: &CallError) -> Self {
        match error {
            CallError::Failed { .. } => Self::Failed,
            CallError::Indeterminate { .. } => Self::Indeterminate,
            CallError::Deadline { may_have_run: true, .. } => Self::Late,
            CallError::Cancelled { may_have_run: true } => Self::Cut,
            CallError::Deadline { may_have_run: false, .. } => Self::NotSent,
            CallError::Refused { .. } | CallError::Rejected { .. } => Self::Refused,
            CallError::Crashed { .. } => Self::Crashed,
            CallError::NoCommonVersion { .. } => Self::NoCommonVersion,
            CallError::TooLarge { .. } | CallError::Unacceptable { .. } => Self::TooLarge,
            CallError::Overloaded { .. }
            | CallError::Inexpressible { .. }
            | CallError::Cancelled { may_have_run: false }
            | CallError::Closed => Self::NotTaken,
            other if other.may_have_run() => Self::Indeterminate,
            _ => Self::NotTaken,
        }
    }
}

/// How many calls ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts([u64; Outcome::ALL.len()]);

impl Counts {
    /// One more.
    pub fn add(&mut self, outcome: Outcome) {
        self.add_many(outcome, 1);
    }

    /// Some more.
    pub fn add_many(&mut self, outcome: Outcome, count: u64) {
        if let Some(slot) = self.0.get_mut(outcome as usize) {
            *slot += count;
        }
    }

    /// All of another.
    pub fn add_all(&mut self, other: &Self) {
        for (outcome, count) in other.iter() {
            self.add_many(outcome, count);
        }
    }

    /// How many ended so.
    #[must_use]
    pub fn of(&self, outcome: Outcome) -> u64 {
        self.0.get(outcome as usize).copied().unwrap_or(0)
    }

    /// Each kind, those without a call included.
    pub fn iter(&self) -> impl Iterator<Item = (Outcome, u64)> + '_ {
        Outcome::ALL.iter().map(|&outcome| (outcome, self.of(outcome)))
    }

    /// How many have ended.
    #[must_use]
    pub fn ended(&self) -> u64 {
        self.iter().filter(|(outcome, _)| *outcome != Outcome::Open).map(|(_, count)| count).sum()
    }

    /// How many ended otherwise than they should.
    #[must_use]
    pub fn bad(&self) -> u64 {
        self.iter().filter(|(outcome, _)| outcome.is_bad()).map(|(_, count)| count).sum()
    }

    /// Of how many nobody can know if they ran.
    #[must_use]
    pub fn indeterminate(&self) -> u64 {
        self.iter().filter(|(outcome, _)| outcome.is_indeterminate()).map(|(_, count)| count).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_counted_in_its_own_place() {
        let mut counts = Counts::default();
        for (index, &outcome) in Outcome::ALL.iter().enumerate() {
            assert_eq!(outcome as usize, index);
            counts.add_many(outcome, 1 << index);
        }
        assert!(counts.iter().enumerate().all(|(index, (_, count))| count == 1 << index));
        assert_eq!(counts.ended(), (1 << 13) - 2);
        assert_eq!(counts.bad(), (1 << 13) - 4);
        assert_eq!(counts.indeterminate(), 0b111_0000);
    }
}
