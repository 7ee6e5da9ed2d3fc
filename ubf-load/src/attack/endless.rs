//! Packets that are too much: without end, too deep, or larger inside than outside.

use std::iter;

use bytes::Bytes;

use super::finding::{Finding, should_end};
use super::target::Target;
use super::wire::Wire;

const BLOCK: usize = 64 << 10;

/// `start`, and then `pattern` again and again, as often as the target takes it.
fn endless(target: &Target, start: &str, pattern: &str) -> impl Iterator<Item = Bytes> + use<> {
    let block = Bytes::from(pattern.repeat((BLOCK / pattern.len()).max(1)));
    let blocks = target.max_bytes.div_ceil(block.len());
    iter::once(Bytes::from(start.to_owned())).chain(iter::repeat_n(block, blocks))
}

/// A packet that never ends, as fast as it goes: so its body begins.
pub(super) async fn packet(
    target: &Target,
    start: &str,
    pattern: &str,
    expected: &[&str],
) -> Finding {
    bytes(target, &target.packet(start), pattern, expected).await
}

/// What begins like this, without a header of its own.
pub(super) async fn bytes(
    target: &Target,
    start: &str,
    pattern: &str,
    expected: &[&str],
) -> Finding {
    should_end(target, endless(target, start, pattern), expected).await
}

/// A short packet that means too much: its body.
pub(super) async fn bomb(target: &Target, body: String, expected: &[&str]) -> Finding {
    should_end(target, [Bytes::from(target.packet(&body))], expected).await
}

/// Each register holds the one before twice.
pub(super) fn doubling(leaf: &str) -> String {
    format!("{leaf}>a{}a$", "{aa}>a".repeat(64))
}

/// A name that a server would have to keep as long as the connection lasts.
pub(super) async fn giant_service(target: &Target) -> Finding {
    let packet = format!("0 {{'negotiate'1\"{}\"#1&#}}$", "x".repeat(1 << 20));
    let expected = ["0 {error,{malformed,negotiate,'Service'},"];
    should_end(target, [Bytes::from(packet)], &expected).await
}

/// A list that grows through a register, item by item: quadratic where lists are copied. It is a
/// good packet.
pub(super) async fn shared_list(target: &Target) -> Finding {
    const ITEMS: usize = 40_000;
    let mut wire = match Wire::greet(target).await {
        Ok(wire) => wire,
        Err(heard) => return Finding::fault(format!("no agreement: {heard}")),
    };
    let packet = target.packet(&format!("#>a{}a$", "a1&>a".repeat(ITEMS)));
    let start = std::time::Instant::now();
    let (_, heard) = wire.talk([Bytes::from(packet)], target.max_wait, |_| true).await;
    let took = start.elapsed();
    let is_answer = heard.version() == Some(target.version());
    Finding::new(format!("answered in {:.0} ms", took.as_secs_f64() * 1e3))
        .but(!is_answer, format!("{}, and no answer", heard.text()))
}
