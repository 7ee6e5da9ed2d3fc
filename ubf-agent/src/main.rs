//! The program `ubf-agent`.

use std::process::ExitCode;

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    let mut arguments = std::env::args_os();
    let _name = arguments.next();
    ubf_agent::run("ubf-agent", &[], &arguments.collect::<Vec<_>>())
}

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    // It watches processes by descriptors, which other systems do not have.
    ExitCode::from(1)
}
