//! Where a body ends, found without an idea of what it says (F5).

use memchr::memchr2;

/// Terms of the recognition stack that are remembered. Only the length of a binary is asked for,
/// and encoders write it right before; a packet that brings an older one back to the top is legal,
/// and nobody writes it. Chosen: more than any encoder stores before it writes on.
const MAX_REMEMBERED: usize = 32;

/// Follows bodies of UBF(A), in pieces of any size. It keeps nothing of what it has seen but what
/// it takes to find the end: whether it is in a text, and which number a `~` would count with.
#[derive(Clone, Debug, Default)]
pub(crate) struct Skim {
    token: Token,
    stack: Stack,
    /// Registers that hold a number. Those that hold anything else are not told from unset ones.
    registers: Vec<(u8, u64)>,
}

/// What the next byte goes on with.
#[derive(Clone, Copy, Debug, Default)]
enum Token {
    /// Nothing that the last byte began.
    #[default]
    None,
    /// Digits. The value is `None` if it is no length: below zero, or too large.
    Integer { value: Option<u64>, is_negative: bool },
    /// What stands between equal quotes.
    Text { quote: u8, is_escaped: bool },
    /// A `>`: the register comes.
    Store,
    /// Of a binary so many bytes are to come, and a `~`.
    Binary { left: u64 },
}

/// How far a body was followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Skimmed {
    /// Bytes that belong to the body.
    pub(crate) len: usize,
    /// Whether the last of them is the `$` that ends it.
    pub(crate) is_end: bool,
}

/// The body has a binary whose length is not known: it is malformed, or written as nobody does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unfollowed;

impl Skim {
    /// Goes on with these bytes, up to the end of the body.
    pub(crate) fn follow(&mut self, bytes: &[u8]) -> Result<Skimmed, Unfollowed> {
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            let (taken, is_end) = self.step(rest)?;
            at += taken;
            if is_end {
                *self = Self { registers: std::mem::take(&mut self.registers), ..Self::default() };
                self.registers.clear();
                return Ok(Skimmed { len: at, is_end: true });
            }
        }
        Ok(Skimmed { len: at, is_end: false })
    }

    /// Takes at least one byte, and tells whether the last of them was the end.
    fn step(&mut self, bytes: &[u8]) -> Result<(usize, bool), Unfollowed> {
        match self.token {
            Token::None => self.operators(bytes),
            Token::Integer { value, is_negative } => {
                Ok((self.integer(bytes, value, is_negative), false))
            }
            Token::Text { quote, is_escaped } => Ok((self.text(bytes, quote, is_escaped), false)),
            Token::Store => {
                let stored = self.stack.pop();
                let register = bytes.first().copied().unwrap_or_default();
                self.registers.retain(|&(name, _)| name != register);
                if let Slot::Number(number) = stored {
                    self.registers.push((register, number));
                }
                self.token = Token::None;
                Ok((1, false))
            }
            Token::Binary { left: 0 } => {
                self.stack.push(Slot::Other);
                self.token = Token::None;
                // Whatever stands there: the other end says what is wrong with it.
                Ok((1, false))
            }
            Token::Binary { left } => {
                let here = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                self.token = Token::Binary { left: left - here as u64 };
                Ok((here, false))
            }
        }
    }

    /// Operators, until a token begins or the body ends.
    fn operators(&mut self, bytes: &[u8]) -> Result<(usize, bool), Unfollowed> {
        for (at, &byte) in bytes.iter().enumerate() {
            self.token = match byte {
                b'$' => return Ok((at + 1, true)),
                b'0'..=b'9' => {
                    Token::Integer { value: Some(u64::from(byte & 0x0F)), is_negative: false }
                }
                b'-' => Token::Integer { value: Some(0), is_negative: true },
                b'"' | b'\'' | b'`' | b'%' => Token::Text { quote: byte, is_escaped: false },
                b'>' => Token::Store,
                b'~' => {
                    let Slot::Number(left) = self.stack.pop() else { return Err(Unfollowed) };
                    Token::Binary { left }
                }
                b'{' => {
                    self.stack.push(Slot::Mark);
                    continue;
                }
                b'}' => {
                    self.stack.close();
                    continue;
                }
                b'&' => {
                    self.stack.pop();
                    self.stack.pop();
                    self.stack.push(Slot::Other);
                    continue;
                }
                b' ' | b'\t' | b'\n' | b'\r' | b',' => continue,
                b'#' | b'?' => {
                    self.stack.push(Slot::Other);
                    continue;
                }
                register => {
                    let found = self.registers.iter().find(|&&(name, _)| name == register);
                    self.stack.push(found.map_or(Slot::Other, |&(_, number)| Slot::Number(number)));
                    continue;
                }
            };
            return Ok((at + 1, false));
        }
        Ok((bytes.len(), false))
    }

    fn integer(&mut self, bytes: &[u8], mut value: Option<u64>, is_negative: bool) -> usize {
        let len = bytes.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(bytes.len());
        for digit in bytes.iter().take(len) {
            let digit = u64::from(digit & 0x0F);
            value = value.and_then(|value| value.checked_mul(10)?.checked_add(digit));
        }
        if len < bytes.len() {
            let length = value.filter(|&value| !is_negative || value == 0);
            self.stack.push(length.map_or(Slot::Other, Slot::Number));
            self.token = Token::None;
            return len;
        }
        self.token = Token::Integer { value, is_negative };
        len
    }

    /// W3: a `\` escapes the byte behind it, whatever that is.
    fn text(&mut self, bytes: &[u8], quote: u8, is_escaped: bool) -> usize {
        let mut at = usize::from(is_escaped);
        loop {
            let rest = bytes.get(at..).unwrap_or_default();
            // Tags and comments escape, too.
            let Some(found) = memchr2(quote, b'\\', rest) else {
                self.token = Token::Text { quote, is_escaped: false };
                return bytes.len();
            };
            at += found + 1;
            if rest.get(found) == Some(&quote) {
                break;
            }
            if at >= bytes.len() {
                self.token = Token::Text { quote, is_escaped: true };
                return at;
            }
            at += 1;
        }
        match quote {
            // W8: what has a tag is no number.
            b'`' => {
                self.stack.pop();
                self.stack.push(Slot::Other);
            }
            b'%' => {}
            _ => self.stack.push(Slot::Other),
        }
        self.token = Token::None;
        at
    }
}

/// What is known of a term of the recognition stack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Slot {
    /// It is not a number that a binary could have as its length, or it is not remembered.
    #[default]
    Other,
    Number(u64),
    /// A tuple that is open.
    Mark,
}

/// The upper part of the recognition stack. What lies below it counts as [`Slot::Other`].
#[derive(Clone, Debug, Default)]
struct Stack {
    slots: [Slot; MAX_REMEMBERED],
    /// Where the next one goes.
    next: usize,
    /// How many below that are remembered.
    len: usize,
}

impl Stack {
    fn push(&mut self, slot: Slot) {
        if let Some(place) = self.slots.get_mut(self.next) {
            *place = slot;
        }
        self.next = (self.next + 1) % MAX_REMEMBERED;
        self.len = (self.len + 1).min(MAX_REMEMBERED);
    }

    fn pop(&mut self) -> Slot {
        if self.len == 0 {
            return Slot::Other;
        }
        self.len -= 1;
        self.next = (self.next + MAX_REMEMBERED - 1) % MAX_REMEMBERED;
        self.slots.get(self.next).copied().unwrap_or_default()
    }

    /// The tuple takes all down to its `{`.
    fn close(&mut self) {
        while self.len > 0 && self.pop() != Slot::Mark {}
        self.push(Slot::Other);
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use proptest::prelude::*;
    use ubf_codec::StreamDecoder;

    use super::*;

    /// The ends of all bodies, if the bytes are fed in pieces of this size.
    fn ends(bytes: &[u8], piece: usize) -> Result<Vec<usize>, Unfollowed> {
        let (mut skim, mut ends, mut at) = (Skim::default(), Vec::new(), 0);
        while at < bytes.len() {
            let upto = (at + piece).min(bytes.len());
            let Skimmed { len, is_end } = skim.follow(&bytes[at..upto])?;
            at += len;
            if is_end {
                ends.push(at);
            }
        }
        Ok(ends)
    }

    /// The same, by the codec.
    fn decoded_ends(bytes: &[u8]) -> Option<Vec<usize>> {
        let (mut decoder, mut buffer) = (StreamDecoder::new(), BytesMut::from(bytes));
        let mut ends = Vec::new();
        while decoder.decode(&mut buffer).ok()?.is_some() {
            ends.push(bytes.len() - buffer.len());
        }
        Some(ends)
    }

    #[test]
    fn f5_the_end_of_a_body_is_the_dollar_that_the_codec_finds() {
        for body in [
            &b"1$"[..],
            b"{'ok',\"a$b\"}$",
            b"'a\\'$'$",
            b"\"\\\\\"$",
            b"5~$$$$$~$",
            b"0~~$",
            b"-0~~$",
            b"%$%1$",
            b"1`$`$",
            b"5>a{a~hello~a~$orld~}$",
            b"3 1>a~$$$~$",
            b"3{1}>a~$$$~$",
            b"#1&2&3 \n ~$$$~&$",
            b"007~$$$$$$$~$",
            b"{2>b#b~$}~&}$",
        ] {
            let decoded = decoded_ends(body);
            assert_eq!(decoded, Some(vec![body.len()]), "{}", body.escape_ascii());
            for piece in 1..=body.len() {
                let text = body.escape_ascii();
                assert_eq!(ends(body, piece).ok(), decoded, "{text} in pieces of {piece}");
            }
        }
    }

    #[test]
    fn a_binary_without_a_length_is_not_followed() {
        for body in [&b"'a'~x~$"[..], b"~x~$", b"-1~x~$", b"1`t`~x~$", b"99999999999999999999~x~$"]
        {
            assert_eq!(ends(body, 1), Err(Unfollowed), "{}", body.escape_ascii());
        }
    }

    #[test]
    fn l1_what_lies_deep_in_the_stack_is_forgotten_and_no_memory_is_taken_for_it() {
        let mut body = b"3 ".to_vec();
        body.extend(b"1 ".repeat(40));
        body.extend(b">a".repeat(40));
        body.extend(b"~$$$~$");
        assert_eq!(ends(&body, 7), Err(Unfollowed));
        // As many as are remembered are followed.
        let mut body = b"3 ".to_vec();
        body.extend(b"1 ".repeat(MAX_REMEMBERED - 1));
        body.extend(b">a".repeat(MAX_REMEMBERED - 1));
        body.extend(b"~$$$~$");
        assert_eq!(ends(&body, 7).ok(), decoded_ends(&body));
    }

    /// Pieces of packets that are often legal one behind the other.
    fn token() -> impl Strategy<Value = Vec<u8>> {
        let fixed = prop::sample::select(vec![
            &b"1"[..],
            b" ",
            b"3~$$~~",
            b"2>a",
            b"a",
            b">b",
            b"b",
            b"{",
            b"}",
            b"#",
            b"&",
            b"`t`",
            b"'$'",
            b"\"\\\"$\"",
            b"%~%",
            b"?",
            b"$",
            b"2 ",
            b"~ab~",
            b"-",
            b",",
        ]);
        fixed.prop_map(<[u8]>::to_vec)
    }

    proptest! {
        #[test]
        fn f5_whatever_the_codec_takes_ends_where_the_codec_says(
            tokens in prop::collection::vec(token(), 0..40),
            piece in 1_usize..9,
        ) {
            let bytes = tokens.concat();
            if let Some(decoded) = decoded_ends(&bytes) {
                prop_assert_eq!(ends(&bytes, piece), Ok(decoded));
            }
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let whole = ends(&bytes, bytes.len().max(1));
            prop_assert_eq!(ends(&bytes, 1), whole);
        }
    }
}
