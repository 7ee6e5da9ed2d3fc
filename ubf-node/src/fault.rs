//! Faults at named steps, for the tests of this program. A build without debug assertions has none,
//! unless it has the feature `faults`, which is for `ubf-torture`.

/// Ends or stops this process, if the environment says so for this step. `UBF_FAULT` is one of these,
/// or several with commas:
///
/// - `abort:STEP`, `stop:STEP`: the process ends there, or is stopped;
/// - `late:STEP`: it waits a moment and ends, so that what goes on meanwhile is lost with it;
/// - `slow:STEP`: it waits a moment each time that it comes there, and goes on;
/// - `@FILE`: one of these stands in a file, which is there when somebody aims at this process, and
///   is gone when the fault has come.
#[cfg(all(any(debug_assertions, feature = "faults"), unix))]
pub(crate) fn at(step: &str) {
    let Ok(fault) = std::env::var("UBF_FAULT") else { return };
    let Some(path) = fault.strip_prefix('@') else {
        return fault.split(',').for_each(|fault| obey(fault, step, None));
    };
    if let Ok(fault) = std::fs::read_to_string(path) {
        obey(fault.trim_end(), step, Some(path));
    }
}

#[cfg(all(any(debug_assertions, feature = "faults"), unix))]
fn obey(fault: &str, step: &str, file: Option<&str>) {
    let Some((what, at)) = fault.split_once(':') else { return };
    if at != step {
        return;
    }
    if let Some(file) = file {
        // Whoever aimed sees by it that it was met.
        let _is_gone = std::fs::remove_file(file).is_ok();
    }
    match what {
        "abort" => std::process::abort(),
        "late" => {
            std::thread::sleep(std::time::Duration::from_millis(150));
            std::process::abort();
        }
        "slow" => std::thread::sleep(std::time::Duration::from_millis(600)),
        "stop" => {
            let (own, stop) = (rustix::process::getpid(), rustix::process::Signal::STOP);
            // Somebody kills it, or nobody is there to be tested.
            let _is_sent = rustix::process::kill_process(own, stop).is_ok();
            // Any thread takes the signal, when it has its turn: this one would go on until then.
            while is_stop_pending() {
                std::thread::yield_now();
            }
        }
        _ => {}
    }
}

/// Whether this process has been told to stop, and no thread has noticed. Where nobody can say, none.
#[cfg(all(any(debug_assertions, feature = "faults"), unix))]
fn is_stop_pending() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let pending = status.lines().find_map(|line| line.strip_prefix("ShdPnd:"));
    let pending = pending.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok());
    pending.is_some_and(|bits| bits & 1 << (rustix::process::Signal::STOP.as_raw() - 1) != 0)
}

#[cfg(not(all(any(debug_assertions, feature = "faults"), unix)))]
pub(crate) const fn at(_: &str) {}

/// Whether this process is to do without a rule, which `UBF_MUTANT` names.
#[cfg(feature = "faults")]
pub(crate) fn is_taken_away(rule: &str) -> bool {
    static NAMED: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
    NAMED.get_or_init(|| std::env::var("UBF_MUTANT").ok()).as_deref() == Some(rule)
}

#[cfg(not(feature = "faults"))]
pub(crate) const fn is_taken_away(_: &str) -> bool {
    false
}

/// Takes the rule away that the environment names, if the library below has it.
#[cfg(feature = "faults")]
pub(crate) fn take_rules_away() {
    use ubf_state::mutant::{Mutant, take_away};

    for (name, mutant, once_in) in [
        ("reply-before-commit", Mutant::FlightsNotAwaited, 1),
        ("reply-before-commit-once-in-50", Mutant::FlightsNotAwaited, 50),
        ("session-outside", Mutant::SessionOutside, 1),
        ("no-turn", Mutant::NoTurn, 1),
        ("finalizes-too-early", Mutant::FinalizesTooEarly, 1),
        ("ready-commits", Mutant::ReadyCommits, 1),
        ("truncated-is-whole", Mutant::TruncatedIsWhole, 1),
    ] {
        if is_taken_away(name) {
            tracing::warn!(name, "a rule is taken away");
            take_away(mutant, once_in);
        }
    }
}

#[cfg(not(feature = "faults"))]
pub(crate) const fn take_rules_away() {}
