//! Faults at named steps, for the tests of this program: a build without debug assertions has none.

/// Ends or stops this process, if the environment says so for this step: `UBF_FAULT=abort:STEP` or
/// `stop:STEP`. With `@FILE` the file says it, whenever it is there; it is gone when it happens.
#[cfg(all(debug_assertions, unix))]
pub(crate) fn at(step: &str) {
    let Ok(mut fault) = std::env::var("UBF_FAULT") else { return };
    if let Some(file) = fault.strip_prefix('@').map(str::to_owned) {
        let Ok(said) = std::fs::read_to_string(&file) else { return };
        if said.split_once(':').is_none_or(|(_, at)| at != step) {
            return;
        }
        // The test that has written it looks.
        let _is_gone = std::fs::remove_file(file).is_ok();
        fault = said;
    }
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
