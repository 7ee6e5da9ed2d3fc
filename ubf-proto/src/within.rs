//! Whether a body is within the limits of the end that will read it (N12).

use ubf_codec::{DecodeError, Decoder, Limits};

/// Checks the depth, the sizes and the integers of a body. How long the packet is, is the caller's
/// business.
pub(crate) fn check(body: &[u8], limits: &Limits) -> Result<(), DecodeError> {
    // A fold without an end looks at many bytes at once: for a small body that is a quarter of what
    // a search for the first one takes.
    let has_register = body.iter().fold(false, |found, &byte| found | (byte == REGISTER));
    if is_small(body, limits, has_register) {
        return Ok(());
    }
    Decoder::new().with_limits(*limits).check(body).map(drop)
}

/// The byte without which no register is in a body.
pub(crate) const REGISTER: u8 = b'>';

/// Whether a look at the bytes shows that no limit can be exceeded. Most bodies are not decoded
/// for this reason, which would cost as much as the server's work.
pub(crate) fn is_small(body: &[u8], limits: &Limits, may_have_register: bool) -> bool {
    // Without registers each node, each byte of a leaf and each digit takes a byte, and each tuple,
    // list and tag begins with one of these three.
    let (len, count) = (body.len() as u64, |is_it: fn(&u8) -> bool| {
        body.iter().filter(|&byte| is_it(byte)).count() as u64
    });
    let is_opening = |byte: &u8| matches!(byte, b'{' | b'#' | b'`');
    let (max_depth, max_digits) = (limits.max_depth.into(), limits.max_integer_digits.into());
    !may_have_register
        && len <= limits.max_expanded_nodes
        && len <= limits.max_expanded_bytes
        && (len <= max_depth || count(is_opening) <= max_depth)
        && (len <= max_digits || count(u8::is_ascii_digit) <= max_digits)
}
