//! The boot loader of a node, which never changes: one program on each machine, that takes signed
//! releases, starts one of them, and puts another in its place while clients call.
//!
//! It refuses to do more. It runs nothing that was not signed by a key that it was given, it knows
//! no command of a shell, and it does not replace itself: that is for the package manager of the
//! system. Its contract, `agent` version 1, is frozen (the book's chapter *The agent*, and the
//! crate `ubf-agent-core`, whose machine decides all that is decided here).
//!
//! `run` does what the machine says, on Linux: processes by their descriptors, releases in a
//! folder, listening sockets in a process of their own, controllers by a Unix socket and by mutual
//! TLS.
//!
//! What is alive when it is killed stays alive: the node serves, its listeners are open, and the
//! next agent finds both.

#![forbid(unsafe_code)]

#[cfg(target_os = "linux")]
mod agent;
#[cfg(target_os = "linux")]
mod keeper;
#[cfg(target_os = "linux")]
mod line;
#[cfg(target_os = "linux")]
mod options;
#[cfg(target_os = "linux")]
mod process;
#[cfg(target_os = "linux")]
mod store;

#[cfg(target_os = "linux")]
pub use self::agent::run;
