//! A stream of versioned packets, cut into headers and pieces of bodies.

use std::marker::PhantomData;

use ubf_codec::{Header, Limits};

use crate::skim::{Skim, Skimmed, Unfollowed};

/// Cuts a stream. It owns no bytes: what it has told of is its caller's to take out of the window,
/// and the next window begins behind it.
#[derive(Clone, Debug)]
pub(crate) struct Cutter<H> {
    limits: Limits,
    skim: Skim,
    is_in_body: bool,
    header: PhantomData<H>,
}

/// What stands at the beginning of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut<H> {
    /// Nothing that is whole: more has to come. At most a header of bytes is waiting.
    Nothing,
    /// White space between two packets, so many bytes.
    Blank(usize),
    /// A header of so many bytes. Its body follows.
    Head(H, usize),
    /// A piece of a body.
    Body(Skimmed),
}

impl<H: Header> Cutter<H> {
    pub(crate) fn new() -> Self {
        let header = PhantomData;
        Self { limits: Limits::default(), skim: Skim::default(), is_in_body: false, header }
    }

    /// Whether a packet has begun whose end has not been told of.
    pub(crate) const fn is_in_body(&self) -> bool {
        self.is_in_body
    }

    /// What the window begins with.
    pub(crate) fn cut(&mut self, window: &[u8]) -> Result<Cut<H>, Unfollowed> {
        if window.is_empty() {
            return Ok(Cut::Nothing);
        }
        if self.is_in_body {
            let skimmed = self.skim.follow(window)?;
            self.is_in_body = !skimmed.is_end;
            return Ok(Cut::Body(skimmed));
        }
        let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
        let blanks = window.iter().position(|byte| !is_blank(byte)).unwrap_or(window.len());
        if blanks > 0 {
            return Ok(Cut::Blank(blanks));
        }
        // P2: the offset of what is wrong is told by the other end, which reads the same bytes.
        match H::read(window, 0, &self.limits) {
            Ok(Some((header, len))) => {
                self.is_in_body = true;
                Ok(Cut::Head(header, len))
            }
            Ok(None) => Ok(Cut::Nothing),
            Err(_) => Err(Unfollowed),
        }
    }
}

#[cfg(test)]
mod tests {
    use ubf_codec::{ClientHeader, ServerHeader};

    use super::*;

    /// What a stream is cut into, if it comes in pieces of this size: headers as text, and the ends
    /// of bodies.
    fn cuts<H: Header + std::fmt::Debug>(stream: &[u8], piece: usize) -> Vec<String> {
        let (mut cutter, mut window) = (Cutter::<H>::new(), Vec::new());
        let (mut told, mut at) = (Vec::new(), 0);
        for part in stream.chunks(piece) {
            window.extend_from_slice(part);
            loop {
                let taken = match cutter.cut(&window) {
                    Ok(Cut::Nothing) => break,
                    Ok(Cut::Blank(len)) => len,
                    Ok(Cut::Head(header, len)) => {
                        told.push(format!("{at}: {header:?}"));
                        len
                    }
                    Ok(Cut::Body(Skimmed { len, is_end })) => {
                        if is_end {
                            told.push(format!("{} ends", at + len));
                        }
                        len
                    }
                    Err(Unfollowed) => {
                        told.push("unfollowed".to_owned());
                        return told;
                    }
                };
                window.drain(..taken);
                at += taken;
            }
        }
        told
    }

    #[test]
    fn f5_it_does_not_matter_where_a_stream_is_cut() {
        let client = b" 0 {'negotiate',1,?,#3&,#}$\n3 \"$\"$10 {'event_in',1}$";
        let whole = cuts::<ClientHeader>(client, client.len());
        assert_eq!(whole.iter().filter(|told| told.ends_with("ends")).count(), 3, "{whole:?}");
        for piece in 1..client.len() {
            assert_eq!(cuts::<ClientHeader>(client, piece), whole, "{piece}");
        }
        let server = b"3 ? {1,'s'}$3 \"192.0.2.2:4000,[::1]:7\" {2,'s'}$\r\n0 ? 'pong'$";
        let whole = cuts::<ServerHeader>(server, server.len());
        assert_eq!(whole.iter().filter(|told| told.ends_with("ends")).count(), 3, "{whole:?}");
        for piece in 1..server.len() {
            assert_eq!(cuts::<ServerHeader>(server, piece), whole, "{piece}");
        }
    }

    #[test]
    fn what_is_no_header_is_not_followed() {
        assert_eq!(cuts::<ClientHeader>(b"01 1$", 1), ["unfollowed"]);
        assert_eq!(cuts::<ClientHeader>(b"'info'$", 3), ["unfollowed"]);
        assert_eq!(cuts::<ServerHeader>(b"3 {1}$", 6), ["unfollowed"]);
    }
}
