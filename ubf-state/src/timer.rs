//! Timers in the store: each stands once by its time and once by its key.

use alloc::vec::Vec;

use bytes::Bytes;
use ubf_proto::Time;

use crate::key::Key as _;
use crate::record::FORMAT;
use crate::stored::{self, Space};

/// The stored key of a timer in the order of times. What follows the time is the timer's key.
pub(crate) fn by_time(when: Time, key: &[u8]) -> Vec<u8> {
    let mut stored = Space::Timers.key();
    when.put(&mut stored);
    stored.extend_from_slice(key);
    stored
}

/// The stored key under which the time of a timer is found.
pub(crate) fn by_key(key: &[u8]) -> Vec<u8> {
    let mut stored = Space::TimerKeys.key();
    stored.extend_from_slice(key);
    stored
}

/// What stands there: the time.
pub(crate) fn value(when: Time) -> Bytes {
    let term = ubf_codec::Term::from(when.as_millis());
    stored::whole(FORMAT, &ubf_codec::Encoder::new().encode(&term))
}

/// Reads [`value`]; `None` if it is none.
pub(crate) fn read(value: &[u8]) -> Option<Time> {
    let (format, packet) = stored::read_version(value).ok()?;
    let document = ubf_codec::decode(packet).ok()?;
    let when = document.root().as_u64().filter(|_| format == FORMAT)?;
    Some(Time::from_millis(when))
}

/// A timer that stands in the order of times: when, and its key.
pub(crate) fn read_by_time(stored: &[u8]) -> Option<(Time, Bytes)> {
    let mut rest = stored.get(1..)?;
    let when = Time::take(&mut rest).ok()?;
    Some((when, Bytes::copy_from_slice(rest)))
}
