//! What a caller tells of a message beside it (N15).

use alloc::string::{String, ToString as _};
use core::fmt;
use core::num::{NonZeroU64, NonZeroU128};
use core::str::FromStr;
use core::time::Duration;

use ubf_codec::{Term, TermRef, View, ubf};

use super::read;
use crate::time::millis;

/// What a caller tells of one of its messages: it is told only if both sides have agreed on that,
/// and changes nothing of what the message means.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Context {
    /// The span of the caller in which the message was sent.
    pub trace: Option<TraceParent>,
    /// How long the caller still waited when it was sent.
    pub deadline: Option<Duration>,
}

impl Context {
    /// What is known of a message.
    #[must_use]
    pub fn new(trace: Option<TraceParent>, deadline: Option<Duration>) -> Self {
        Self { trace, deadline }
    }

    /// `{'context',TraceParent,DeadlineMs}`
    pub(super) fn to_term(&self) -> Term {
        let trace =
            self.trace.as_ref().map_or(Term::Undefined, |trace| Term::from(trace.to_string()));
        let deadline = self.deadline.map_or(Term::Undefined, |left| Term::from(millis(left)));
        ubf!({context, (trace), (deadline)})
    }

    /// What stands behind the name. `Err` is the field that is malformed.
    pub(super) fn from_fields(
        trace: TermRef<'_>,
        deadline: TermRef<'_>,
    ) -> Result<Self, &'static str> {
        let trace = if matches!(trace.view(), View::Undefined) {
            None
        } else {
            let View::String(text) = trace.view() else { return Err("TraceParent") };
            // What is no trace begins none: that is not worth a connection.
            text.to_str().and_then(|text| text.parse().ok())
        };
        let deadline = if matches!(deadline.view(), View::Undefined) {
            None
        } else {
            Some(Duration::from_millis(read::unsigned(deadline).ok_or("DeadlineMs")?))
        };
        Ok(Self { trace, deadline })
    }
}

/// A span of a distributed trace, as W3C Trace Context names it.
///
/// ```
/// use ubf_proto::TraceParent;
///
/// let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
/// let span: TraceParent = text.parse()?;
/// assert!(span.is_sampled());
/// assert_eq!(span.trace_id(), 0x4bf92f3577b34da6a3ce929d0e0e4736);
/// assert_eq!(span.span_id(), 0x00f067aa0ba902b7);
/// assert_eq!(span.to_string(), text);
/// # Ok::<(), ubf_proto::TraceParentError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TraceParent {
    trace: NonZeroU128,
    span: NonZeroU64,
    flags: u8,
}

/// A text is no [`TraceParent`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceParentError;

impl fmt::Display for TraceParentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a traceparent is wanted: 00-TRACE-SPAN-FLAGS, in 32, 16 and 2 hexadecimal digits",
        )
    }
}

impl core::error::Error for TraceParentError {}

impl TraceParent {
    /// The span of these numbers. `None`: one of them is 0, which names none.
    #[must_use]
    pub fn new(trace_id: u128, span_id: u64, is_sampled: bool) -> Option<Self> {
        let (trace, span) = (NonZeroU128::new(trace_id)?, NonZeroU64::new(span_id)?);
        Some(Self { trace, span, flags: is_sampled.into() })
    }

    /// The trace that it is a part of.
    #[must_use]
    pub const fn trace_id(&self) -> u128 {
        self.trace.get()
    }

    /// The span.
    #[must_use]
    pub const fn span_id(&self) -> u64 {
        self.span.get()
    }

    /// Whether the caller keeps it.
    #[must_use]
    pub const fn is_sampled(&self) -> bool {
        self.flags & 1 == 1
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace, self.span, self.flags)
    }
}

impl From<TraceParent> for String {
    fn from(trace: TraceParent) -> Self {
        trace.to_string()
    }
}

impl FromStr for TraceParent {
    type Err = TraceParentError;

    fn from_str(text: &str) -> Result<Self, TraceParentError> {
        let mut parts = text.split('-');
        let mut part = |digits: usize| {
            let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
            let part = parts.next().ok_or(TraceParentError)?;
            let is_whole = part.len() == digits && part.bytes().all(is_digit);
            if is_whole { Ok(part) } else { Err(TraceParentError) }
        };
        let (version, trace, span, flags) = (part(2)?, part(32)?, part(16)?, part(2)?);
        // A version that is not known may have more behind that.
        if version == "ff" || (version == "00" && parts.next().is_some()) {
            return Err(TraceParentError);
        }
        let trace = u128::from_str_radix(trace, 16).ok().and_then(NonZeroU128::new);
        let span = u64::from_str_radix(span, 16).ok().and_then(NonZeroU64::new);
        let flags = u8::from_str_radix(flags, 16).map_err(|_| TraceParentError)?;
        Ok(Self {
            trace: trace.ok_or(TraceParentError)?,
            span: span.ok_or(TraceParentError)?,
            flags,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    #[test]
    fn n15_what_is_no_span_begins_no_trace() {
        let span = "00f067aa0ba902b7";
        let text = |version, trace, span, more| alloc::format!("{version}-{trace}-{span}-01{more}");
        for (text, is_span) in [
            (text("00", TRACE, span, ""), true),
            (text("01", TRACE, span, ""), true),
            (text("01", TRACE, span, "-more"), true),
            (text("00", TRACE, span, "-more"), false),
            (text("ff", TRACE, span, ""), false),
            (text("00", &"0".repeat(32), span, ""), false),
            (text("00", TRACE, "0000000000000000", ""), false),
            (text("00", &TRACE.to_uppercase(), span, ""), false),
            (text("00", TRACE.trim_start_matches('4'), span, ""), false),
            (text("00", TRACE, "+0f067aa0ba902b7", ""), false),
            (String::new(), false),
        ] {
            assert_eq!(text.parse::<TraceParent>().is_ok(), is_span, "{text}");
        }
        assert_eq!(TraceParent::new(0, 1, true), None);
        assert_eq!(TraceParent::new(1, 2, false).unwrap().to_string().len(), 55);
    }
}
