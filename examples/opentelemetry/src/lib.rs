//! Spans of OpenTelemetry on both sides of a call, joined by N15.
//!
//! A client tells beside each call in which span it was made, if both sides want that; the server's
//! handler finds it in [`Call::context`](ubf_server::Call::context). What is missing between that
//! and OpenTelemetry is [`span_of_the_moment`] for the client and [`Traced`] for the server, which
//! a program may take from here.
//!
//! `cargo run -p example-opentelemetry --features opentelemetry` calls a server and shows the spans.
#![forbid(unsafe_code)]
#![cfg(feature = "opentelemetry")]

mod shop;
mod traced;

pub use self::shop::{order, serve};
pub use self::traced::{Traced, span_of_the_moment};
