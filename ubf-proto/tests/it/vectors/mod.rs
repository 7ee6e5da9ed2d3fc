//! The specification's dialogues: what one end is given, and what it must do.

mod client;
mod script;
mod seen;

mod connections;
mod sessions;

use ubf_codec::Version;

fn version(number: u32) -> Version {
    Version::new(number).unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
