//! Whether a body is within the limits of the end that will read it (N12).

use ubf_codec::{DecodeError, Decoder, Limits};

/// A body of more bytes is decoded at once, and its bytes are not counted. Chosen: to decode a body
/// takes about as long as to count its bytes twice, and where binaries and texts make it long,
/// which is what mostly does, next to nothing.
const MAX_COUNTED_BYTES: usize = 1024;

/// Checks the depth, the sizes and the integers of a body. How long the packet is, is the caller's
/// business.
pub(crate) fn check(body: &[u8], limits: &Limits) -> Result<(), DecodeError> {
    if body.len() > MAX_COUNTED_BYTES {
        return Decoder::new().with_limits(*limits).check(body).map(drop);
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn n12_a_large_body_is_checked_as_a_small_one_is() {
        let limits = Limits::default().with_max_depth(3).with_max_integer_digits(30);
        for filler in [0, 100, 2_000] {
            let text = alloc::vec![b'{'; filler];
            let body = |parts: [&[u8]; 2]| [parts[0], b"\"", &text, b"\"", parts[1]].concat();
            assert_eq!(check(&body([b"{{", b"}}$"]), &limits), Ok(()), "{filler}");
            let deep = check(&body([b"{{{{}}}", b"}$"]), &limits).unwrap_err();
            assert!(deep.is_limit(), "{deep}");
            let digits = [b'1'; 31];
            let long = check(&body([b"{", &[&digits[..], b"}$"].concat()]), &limits).unwrap_err();
            assert!(long.is_limit(), "{long}");
        }
    }
}
