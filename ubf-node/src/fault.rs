//! Faults at named steps, for the tests of this program: a build without debug assertions has none.

/// Ends or stops this process, if the environment says so for this step: `UBF_FAULT=abort:STEP` or
/// `stop:STEP`.
#[cfg(all(debug_assertions, unix))]
pub(crate) fn at(step: &str) {
    let Ok(fault) = std::env::var("UBF_FAULT") else { return };
    match fault.split_once(':') {
        Some(("abort", at)) if at == step => std::process::abort(),
        Some(("stop", at)) if at == step => {
            let (own, stop) = (rustix::process::getpid(), rustix::process::Signal::STOP);
            // Somebody kills it, or nobody is there to be tested.
            let _is_sent = rustix::process::kill_process(own, stop).is_ok();
        }
        _ => {}
    }
}

#[cfg(not(all(debug_assertions, unix)))]
pub(crate) const fn at(_: &str) {}
