//! An operator at work: servers are processes, and what is said is said through `ubf admin`.

mod admin;
mod elsewhere;
mod program;
mod restart;
mod rows;
#[cfg(target_os = "linux")]
mod upgrade;
