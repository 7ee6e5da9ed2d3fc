//! Random scripts for both ends of a session: the laws of the fuzz targets, on any toolchain.

use std::panic::catch_unwind;

use ubf_testing::random::Random;
use ubf_testing::targets::{Body, classic, client_session, resumes, server_session, sessions};

const MAX_SCRIPT_BYTES: usize = 300;

fn run(body: Body) {
    for seed in 0..3_000 {
        let mut random = Random::new(seed);
        let length = 1 + random.below(MAX_SCRIPT_BYTES);
        let script: Vec<u8> = (0..length).map(|_| random.byte()).collect();
        assert!(catch_unwind(|| body(&script)).is_ok(), "seed {seed} breaks a law: {script:?}");
    }
}

#[test]
fn a_client_session_keeps_its_promises_under_any_script() {
    run(client_session);
}

#[test]
fn a_server_session_keeps_its_promises_under_any_script() {
    run(server_session);
}

#[test]
fn a_client_keeps_the_promises_of_sessions_under_any_script() {
    run(resumes);
}

#[test]
fn a_server_keeps_the_promises_of_sessions_under_any_script() {
    run(sessions);
}

#[test]
fn both_ends_of_a_classic_session_keep_their_promises_under_any_script() {
    run(classic);
}
