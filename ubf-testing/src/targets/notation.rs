//! Any text as the notation for people: no panic, and what is understood prints and reads back as
//! itself.

use ubf_codec::Term;

use super::round_trip::{round_trip_of, with_shortest_floats};

/// Reads the bytes as text.
pub fn notation(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match text.parse::<Term>() {
        Ok(term) => {
            let printed = term.to_string();
            let read: Term = printed
                .parse()
                .unwrap_or_else(|error| panic!("{printed} does not read back: {error}"));
            assert_eq!(read, with_shortest_floats(&term), "{printed}");
            assert_eq!(read.to_string(), printed, "printing is not settled after one round");
            round_trip_of(&term);
        }
        Err(error) => {
            assert!(error.offset() <= text.len(), "the offset is outside: {error}");
            assert!(
                text.is_char_boundary(error.offset()),
                "the offset is inside a character: {error}"
            );
            assert!(!error.to_string().is_empty());
        }
    }
}
