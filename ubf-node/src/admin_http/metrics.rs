//! What a server has counted, as families of metrics. The words are those of statuses and logs.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ubf_server::{CallExemplar, CallTimes, Counts, Phase, Service, Status};

use super::exposition::{Exemplar, Exposition, Kind};
use super::facts::Rows;
use super::process::Process;
use crate::about::{COMMIT, VERSION};
use crate::control::{HandoffReport, StatusReport, TakeoverReport, WriterReport};
use crate::rows::StoreSight;

const LOST_FIELDS: &str =
    "Fields of rows that an older state version, in which they are written, cannot hold (T7).";

/// What there is to tell of.
#[derive(Debug)]
pub(super) struct Sight {
    pub(super) status: Status,
    pub(super) call_times: Vec<CallTimes>,
    /// The same status, with what is not of the server alone: journal, log, contracts.
    pub(super) report: StatusReport,
    pub(super) process: Process,
    /// In the last minute.
    pub(super) worst_pause: Duration,
    pub(super) takeover: Option<TakeoverReport>,
    /// The last moment of the certificate that is over first.
    pub(super) certificate_end: Option<SystemTime>,
    pub(super) rows: Vec<Rows>,
    /// The last one of each service that had one.
    pub(super) hand_offs: Vec<HandoffReport>,
}

/// All of it, as OpenMetrics.
pub(super) fn text(sight: &Sight) -> String {
    let mut text = Exposition::default();
    server(&mut text, &sight.status);
    connections(&mut text, &sight.status);
    versions(&mut text, &sight.status);
    quarantines(&mut text, &sight.report);
    counters(&mut text, &sight.report);
    call_times(&mut text, &sight.call_times);
    writers(&mut text, &sight.report);
    tls(&mut text, &sight.report, sight.certificate_end);
    takeover(&mut text, sight.takeover.as_ref());
    rows(&mut text, &sight.rows);
    hand_offs(&mut text, &sight.hand_offs);
    process(&mut text, sight);
    text.finish()
}

fn server(text: &mut Exposition, status: &Status) {
    let agent = status.agent.as_ref().map(ubf_codec::Text::to_latin1).unwrap_or_default();
    text.family("ubf_server", Kind::Info, "The software of this server.").sample(
        &[("agent", &agent), ("version", VERSION), ("commit", COMMIT.unwrap_or_default())],
        1,
    );
    let phases = [Phase::Serving, Phase::Draining, Phase::Closing, Phase::Stopped];
    text.family("ubf_phase", Kind::StateSet, "Where the server is on its way to its end (R8).")
        .states(&[], &phases.map(Phase::as_str), status.phase.as_str());
    let left = status.time_left.unwrap_or_default().as_secs_f64();
    let help = "Until the phase changes by itself; 0 if it does not.";
    text.single("ubf_phase_left_seconds", Kind::Gauge, help, left);
    for (name, help, is) in [
        ("ubf_listening", "Whether clients can connect.", status.is_listening),
        ("ubf_cordoned", "Whether new connections are turned away.", status.cordon.is_some()),
        ("ubf_overloaded", "Whether the load sends clients elsewhere (R9).", status.is_overloaded),
    ] {
        text.single(name, Kind::Gauge, help, u8::from(is));
    }
}

fn connections(text: &mut Exposition, status: &Status) {
    for (name, help, count) in [
        ("ubf_connections_open", "Connections that are open.", status.connections),
        ("ubf_calls_running", "Requests whose handlers run.", status.calls),
        ("ubf_sessions_present", "Sessions that are not over (S6).", status.sessions.present),
        ("ubf_sessions_parked", "Sessions without a connection (S6).", status.sessions.parked),
    ] {
        text.single(name, Kind::Gauge, help, count);
    }
    let help = "Open connections by what was agreed on.";
    let mut family = text.family("ubf_connections_by_version", Kind::Gauge, help);
    for ((service, version), count) in &status.connections_by_version {
        let labels = [("service", &*name(service)), ("version", &version.to_string())];
        family.sample(&labels, count);
    }
    let help = "Open connections by what their clients say that they are, the most common ones.";
    let mut family = text.family("ubf_connections_by_agent", Kind::Gauge, help);
    for (agent, count) in &status.connections_by_agent {
        family.sample(&[("agent", agent)], count);
    }
}

fn versions(text: &mut Exposition, status: &Status) {
    let help = "Whether a version may be used: 0 if crashes or an operator have withdrawn it (N6).";
    let mut family = text.family("ubf_version_spoken", Kind::Gauge, help);
    for (versions, is_spoken) in [(&status.spoken, 1), (&status.withdrawn, 0)] {
        for (service, versions) in versions {
            for version in versions.iter() {
                let labels = [("service", &*name(service)), ("version", &version.to_string())];
                family.sample(&labels, is_spoken);
            }
        }
    }
}

/// N6: one that is for all has no peer.
fn quarantines(text: &mut Exposition, report: &StatusReport) {
    let help = "Until a version is offered again that crashes have withdrawn, for all or for a \
                peer (N6).";
    let mut family = text.family("ubf_quarantine_left_seconds", Kind::Gauge, help);
    for one in &report.quarantines {
        let service = one.service.as_deref().unwrap_or_default();
        let (version, peer) = (one.version.to_string(), one.peer.as_deref().unwrap_or_default());
        let labels = [("service", service), ("version", &*version), ("peer", peer)];
        family.sample(&labels, Duration::from_millis(one.left_ms).as_secs_f64());
    }
}

fn counters(text: &mut Exposition, report: &StatusReport) {
    let meanings = Counts::meanings();
    for (counter, count) in &report.counters {
        let meaning = meanings.iter().find(|(known, _)| known == counter);
        let meaning = match (meaning, counter.as_str()) {
            (Some((_, meaning)), _) => meaning,
            (None, "rows_lost_fields") => LOST_FIELDS,
            (None, _) => "Messages that broke a contract.",
        };
        text.single(&format!("ubf_{counter}"), Kind::Counter, meaning, count);
    }
}

fn call_times(text: &mut Exposition, times: &[CallTimes]) {
    let help = "From the moment at which a request was read to the moment at which its reply was \
                ready to leave.";
    let mut family = text.family("ubf_call_seconds", Kind::Histogram, help);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let exemplar = |call: &CallExemplar| {
        let session = call.session.clone().map(|session| ("session", session));
        let connection = Some(("connection", call.connection.to_string()));
        Exemplar {
            labels: session.into_iter().chain(connection).collect(),
            value: call.time.as_secs_f64(),
            since_1970: now.saturating_sub(call.age).as_secs_f64(),
        }
    };
    for times in times {
        let labels = [("service", &*name(&times.service)), ("version", &times.version.to_string())];
        let bounds = CallTimes::bounds().map(|bound| bound.as_secs_f64());
        let exemplars = times.exemplars.iter().map(|call| call.as_ref().map(exemplar));
        let counts = times.counts.iter().copied().zip(exemplars);
        family.histogram(&labels, bounds, counts, times.sum.as_secs_f64());
    }
}

fn writers(text: &mut Exposition, report: &StatusReport) {
    for (name, what, writer) in [
        ("ubf_journal", "records of the journal", report.journal),
        ("ubf_log", "lines of the log", report.log),
        ("ubf_audit", "lines of the audit log", report.audit),
    ] {
        let Some(WriterReport { failing, missing, .. }) = writer else { continue };
        let help = format!("Whether the last of the {what} could not be written.");
        text.single(&format!("{name}_failing"), Kind::Gauge, &help, u8::from(failing));
        let help = format!("The {what} that are missing.");
        text.single(&format!("{name}_missing"), Kind::Counter, &help, missing);
    }
}

/// A certificate that cannot be used is to be known before the one from before is over.
fn tls(text: &mut Exposition, report: &StatusReport, end: Option<SystemTime>) {
    if let Some(end) = end.and_then(|end| end.duration_since(UNIX_EPOCH).ok()) {
        let help = "The last moment of the certificate that is in use, since 1970.";
        text.single("ubf_tls_not_after_seconds", Kind::Gauge, help, end.as_secs());
    }
    if let Some(tls) = report.tls {
        let help = "Whether the certificate in the files cannot be used, and the one before is.";
        text.single("ubf_tls_failing", Kind::Gauge, help, u8::from(tls.failing));
    }
    if let Some(policy) = report.policy {
        let help = "Whether the policy in the file cannot be used, and the one before is.";
        text.single("ubf_policy_failing", Kind::Gauge, help, u8::from(policy.failing));
    }
}

/// U2: an upgrade in place, as a state.
fn takeover(text: &mut Exposition, takeover: Option<&TakeoverReport>) {
    let stages = [
        "none",
        "begun",
        "suspending",
        "suspended",
        "warm",
        "given",
        "opened",
        "ready",
        "go",
        "serving",
        "served",
        "back",
        "listening",
        "alone",
    ];
    let stage = takeover.map_or("none", |takeover| &takeover.stage);
    text.family("ubf_takeover", Kind::StateSet, "How far the last upgrade in place is (U2).")
        .states(&[], &stages, stage);
    let help = "Sessions that went along in the last upgrade in place.";
    let sessions = takeover.map_or(0, |takeover| takeover.sessions);
    text.single("ubf_takeover_sessions", Kind::Gauge, help, sessions);
    let pause = takeover.and_then(TakeoverReport::pause_us);
    if let Some(micros) = pause {
        let help = "How long nothing was begun in the last upgrade in place.";
        let pause = Duration::from_micros(micros).as_secs_f64();
        text.single("ubf_takeover_pause_seconds", Kind::Gauge, help, pause);
    }
}

/// Services whose rows are in stores.
fn rows(text: &mut Exposition, all: &[Rows]) {
    let mut gauge = |name: &str, help: &str, of: fn(&Rows) -> u64| {
        let mut family = text.family(name, Kind::Gauge, help);
        for rows in all {
            family.sample(&[("service", &rows.service)], of(rows));
        }
    };
    let help = "Whether the rows of a service are owned by this node (U5, U6).";
    gauge("ubf_rows_owned", help, |rows| rows.here.into());
    let help = "Whether the last thing that was asked of the store has failed.";
    gauge("ubf_store_failing", help, |rows| rows.store.failing.into());
    let help = "The state versions of rows: in which they are written, and between which they are \
                (T6).";
    let mut family = text.family("ubf_state_version", Kind::Gauge, help);
    for rows in all {
        let Some(versions) = rows.versions else { continue };
        for (rows_are, version) in [
            ("written", versions.write),
            ("lowest", versions.lowest),
            ("highest", versions.highest),
        ] {
            family.sample(&[("service", &rows.service), ("rows", rows_are)], version);
        }
    }
    let help = "How long the store took for a batch of calls that it has committed.";
    let mut family = text.family("ubf_commit_seconds", Kind::Histogram, help);
    for rows in all {
        let bounds = StoreSight::bounds().map(|bound| bound.as_secs_f64());
        let counts = rows.store.commit_counts.iter().map(|count| (*count, None));
        let sum = Duration::from_micros(rows.store.commit_sum_us).as_secs_f64();
        family.histogram(&[("service", &rows.service)], bounds, counts, sum);
    }
    let help = "Batches that the store has not committed, or of which that is not known (T4).";
    let mut family = text.family("ubf_not_committed", Kind::Counter, help);
    for rows in all {
        family.sample(&[("service", &rows.service)], rows.store.not_committed);
    }
}

/// U5: the last hand-off of each service, as a state.
fn hand_offs(text: &mut Exposition, all: &[HandoffReport]) {
    let stages = [
        "begun",
        "suspending",
        "suspended",
        "sent",
        "prepared",
        "moved",
        "given",
        "back",
        "active",
    ];
    let help = "How far the last hand-off of a service's rows is (U5).";
    let mut family = text.family("ubf_hand_off", Kind::StateSet, help);
    for one in all {
        let labels = [("service", &*one.service), ("role", &*one.role)];
        family.states(&labels, &stages, &one.stage);
    }
    let help = "Sessions that went along in the last hand-off.";
    let mut family = text.family("ubf_hand_off_sessions", Kind::Gauge, help);
    for one in all {
        family.sample(&[("service", &one.service)], one.sessions);
    }
    let help = "How long clients waited in the last hand-off that this node has given.";
    let mut family = text.family("ubf_hand_off_pause_seconds", Kind::Gauge, help);
    for one in all {
        let Some(micros) = one.pause_us() else { continue };
        let pause = Duration::from_micros(micros).as_secs_f64();
        family.sample(&[("service", &one.service)], pause);
    }
}

fn process(text: &mut Exposition, sight: &Sight) {
    let Sight { status, process, worst_pause, .. } = sight;
    let help = "How long nothing went on in the process: the worst of the last minute.";
    text.single("ubf_worst_pause_seconds", Kind::Gauge, help, worst_pause.as_secs_f64());
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let started = since_1970.saturating_sub(status.uptime).as_secs_f64();
    let help = "When the server was started, since 1970.";
    text.single("process_start_time_seconds", Kind::Gauge, help, started);
    for (name, help, count) in [
        ("process_open_fds", "Descriptors that are open.", process.open_descriptors),
        ("process_max_fds", "Descriptors that may be open.", process.max_descriptors),
        ("process_resident_memory_bytes", "Memory in use.", process.resident_bytes),
    ] {
        if let Some(count) = count {
            text.single(name, Kind::Gauge, help, count);
        }
    }
    if let Some(seconds) = process.cpu_seconds {
        text.single("process_cpu_seconds", Kind::Counter, "Time on processors.", seconds);
    }
}

/// The default service has no name.
fn name(service: &Service) -> String {
    service.name().map(ubf_codec::Text::to_latin1).unwrap_or_default()
}
