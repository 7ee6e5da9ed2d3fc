//! Rollouts over fleets of nodes (F3, F4): the shell around the machine of `ubf-fleet`.
//!
//! [`plan`] reads the file, [`store`] keeps how far a rollout has come, [`steps`] does what is to
//! be done at a node through its [`agent`], after [`preflight`] has looked at it; [`sample`] counts
//! for the gates. [`controller`] is the loop, and [`words`] is what people read.

mod agent;
pub(crate) mod controller;
pub(crate) mod plan;
mod preflight;
mod sample;
pub(crate) mod steps;
pub(crate) mod store;
pub(crate) mod words;
