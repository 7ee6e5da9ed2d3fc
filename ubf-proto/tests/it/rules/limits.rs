//! L1 and L2, limits of a client that have no rule of their own.

use std::time::Duration;

use ubf_proto::client::{LossReason, Notice};

use super::client_end::{Client, config};

#[test]
fn l2_a_connection_that_is_not_made_in_5_seconds_is_given_up() {
    let mut client = Client::new(config("192.0.2.1:4000,192.0.2.2:4000", &[3]));
    assert_eq!(client.poll(), ["connect 0 192.0.2.1:4000"]);
    assert_eq!(client.wait(4_999), [""; 0]);
    assert_eq!(client.wait(1), ["close 0", "connect 1 192.0.2.2:4000"]);
    let max = Duration::from_secs(5);
    let is_told = |notice: &Notice| matches!(notice, Notice::Lost { reason, .. } if *reason == LossReason::ConnectTime { max });
    assert!(client.has_notice(is_told));
}
