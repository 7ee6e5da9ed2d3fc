//! How much and how long: limits, sessions, load marks, the times of a drain.

use std::time::Duration;

use clap::ValueEnum;
use ubf_codec::NextIp;
use ubf_proto::units;
use ubf_server::{Config, LoadPlan, LoadUnit, ServerLimits, SessionLimits};

use super::reader::Reader;
use super::shown::{number, shown, shown_word};
use super::value::{Raw, any, count, size, some, time, word};

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Unit {
    /// Clients that are connected.
    #[value(alias = "sessions")]
    Connections,
    /// Calls in progress.
    Calls,
}

/// How long a drain takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waits {
    pub(crate) grace: Duration,
    pub(crate) hard_stop: Duration,
}

/// The limits of the server, and those of each connection, which go into its configuration.
pub(super) fn limits(reader: &mut Reader, config: &mut Config) -> ServerLimits {
    let mut limits = ServerLimits::default();
    let take_count = |reader: &mut Reader, key, default: &mut usize| {
        *default = reader.take(key, *default, some(count), |count| number(*count as u64));
    };
    let take_size = |reader: &mut Reader, key, default: &mut usize| {
        *default =
            reader.take(key, *default, some(size), |bytes| shown(&units::size(*bytes as u64)));
    };
    take_count(reader, "limits.max-connections", &mut limits.max_connections);
    take_count(
        reader,
        "limits.max-connections-per-address",
        &mut limits.max_connections_per_address,
    );
    limits.max_call_time = take_time(reader, "limits.max-call-time", limits.max_call_time);
    let max_packet_bytes = config.limits.max_packet_bytes;
    config.limits.max_packet_bytes =
        reader.take("limits.max-packet-bytes", max_packet_bytes, some(size), |bytes| {
            shown(&units::size((*bytes).into()))
        });
    for (key, time) in [
        ("limits.max-negotiation-time", &mut config.max_negotiation_time),
        ("limits.max-packet-time", &mut config.max_packet_time),
        ("limits.max-idle-time", &mut config.max_idle_time),
        ("limits.max-write-time", &mut config.max_write_time),
    ] {
        *time = take_time(reader, key, *time);
    }
    take_count(reader, "limits.max-pending", &mut config.max_pending);
    take_size(reader, "limits.max-pending-bytes", &mut config.max_pending_bytes);
    take_size(reader, "limits.max-unread-bytes", &mut config.max_unread_bytes);
    limits
}

/// S1, S6: without room for sessions, none are granted.
pub(super) fn sessions(reader: &mut Reader) -> SessionLimits {
    let mut limits = SessionLimits::default();
    let counts = [
        ("sessions.max-sessions", &mut limits.max_sessions),
        ("sessions.max-sessions-per-address", &mut limits.max_sessions_per_address),
    ];
    for (key, most) in counts {
        *most = reader.take(key, *most, any, |count| number(*count as u64));
    }
    limits.max_window =
        reader.take("sessions.max-window", limits.max_window, some(count), |&most| number(most));
    let sizes = [
        ("sessions.max-bytes", &mut limits.max_bytes),
        ("sessions.max-kept", &mut limits.max_kept),
        ("sessions.max-kept-in-all", &mut limits.max_kept_in_all),
    ];
    for (key, most) in sizes {
        *most = reader.take(key, *most, some(size), |bytes| shown(&units::size(*bytes)));
    }
    limits.max_keep = take_time(reader, "sessions.max-keep", limits.max_keep);
    limits
}

/// R9: load marks without a place to send clients to are a mistake.
pub(super) fn load(reader: &mut Reader, next_ip: Option<NextIp>) -> Option<LoadPlan> {
    let read_unit = |raw: &Raw| word::<Unit>(raw.text()?);
    let Some(high) = reader.take_if_any("load.high", count, |mark| number(*mark)) else {
        let low = reader.take_if_any("load.low", count, |mark| number(*mark));
        let unit = reader.take_if_any("load.unit", read_unit, shown_word);
        let given = low.map(|_| "load.low").or_else(|| unit.map(|_| "load.unit"));
        if let Some(key) = given {
            let hint = "--load-high says when clients are sent away";
            reader.wrong(key, "load marks without the high one", hint);
        }
        return None;
    };
    let low = reader.take("load.low", high / 5 * 4, count, |mark| number(*mark));
    let unit = match reader.take("load.unit", Unit::Connections, read_unit, shown_word) {
        Unit::Connections => LoadUnit::Sessions,
        Unit::Calls => LoadUnit::Calls,
    };
    if low > high {
        let hint = "clients are sent away above --load-high, until below --load-low";
        reader.wrong("load.low", "the low load mark is above the high one", hint);
    }
    if next_ip.is_none() {
        let hint = "clients are sent to other servers: --peers b:4000";
        reader.wrong("load.high", "load marks without peers", hint);
    }
    next_ip.map(|next_ip| LoadPlan::new(unit, low, high, next_ip))
}

pub(super) fn take_time(reader: &mut Reader, key: &'static str, default: Duration) -> Duration {
    reader.take(key, default, time, |time| shown(&units::time(*time)))
}
