//! The laws of prefixes: what a decoder may say of the beginning of an input, and where an input is
//! cut to try it (W12).

use crate::outcome::{End, Outcome};

/// The laws of prefixes, checked on longer and longer ones.
pub(crate) struct Prefixes<'a, P> {
    input: &'a [u8],
    /// What the whole input is known to be.
    whole: &'a Outcome<P>,
    /// How many packets have been seen, and the end of the last of them.
    packets: usize,
    tail: usize,
}

impl<'a, P: PartialEq> Prefixes<'a, P> {
    pub(crate) fn new(input: &'a [u8], whole: &'a Outcome<P>) -> Self {
        Self { input, whole, packets: 0, tail: 0 }
    }

    pub(crate) fn judge(&mut self, cut: usize, answer: &Outcome<P>) -> Result<(), String> {
        if !self.whole.packets.starts_with(&answer.packets) {
            return Err("other packets than in the whole input".to_owned());
        }
        if matches!(answer.end, End::Error { .. }) && answer.end != self.whole.end {
            return Err(format!("`{}`, which the whole input is not", answer.end));
        }
        if is_sampled(self.input.len()) {
            return Ok(());
        }
        if answer.packets.len() > self.packets {
            self.packets = answer.packets.len();
            self.tail = cut;
            if !self.input.get(..cut).is_some_and(|prefix| prefix.ends_with(b"$")) {
                return Err("a packet came out, but not with its last byte".to_owned());
            }
        }
        let between_packets = self.input.get(self.tail..cut).is_some_and(is_blank);
        match answer.end {
            End::Complete if !between_packets => Err("called complete, inside a packet".to_owned()),
            End::Incomplete if between_packets => {
                Err("called incomplete, between packets".to_owned())
            }
            End::Complete | End::Incomplete | End::Error { .. } => Ok(()),
        }
    }
}

/// Whether there is nothing but white space and whole comments.
pub(crate) fn is_blank(mut bytes: &[u8]) -> bool {
    loop {
        bytes = match bytes {
            [] => return true,
            [b' ' | b'\t' | b'\n' | b'\r' | b',', rest @ ..] => rest,
            [b'%', rest @ ..] => {
                let mut rest = rest;
                loop {
                    rest = match rest {
                        [] => return false,
                        [b'%', rest @ ..] => break rest,
                        [b'\\', _, rest @ ..] | [_, rest @ ..] => rest,
                    };
                }
            }
            _ => return false,
        };
    }
}

/// Where to cut an input: everywhere if it is short, else at both ends and here and there between
/// them.
pub(crate) fn cuts(length: usize) -> Vec<usize> {
    if !is_sampled(length) {
        return (0..length).collect();
    }
    // Reading a prefix takes time in proportion to its length; so the longer the input, the fewer
    // of them.
    let count = (1_000_000 / length).clamp(2, 200);
    let ends = count / 4;
    let mut cuts: Vec<usize> = (0..ends).chain((ends..count).map(|n| n * length / count)).collect();
    cuts.extend(length - ends..length);
    cuts
}

fn is_sampled(length: usize) -> bool {
    length > 2_000
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(whole: &str, cut: usize, answer: &str) -> Result<(), String> {
        let outcome = |text| Outcome::<String>::parse(text).unwrap();
        Prefixes::new(b" 1$%c%", &outcome(whole)).judge(cut, &outcome(answer))
    }

    #[test]
    fn a_prefix_is_incomplete_until_its_packet_ends() {
        let whole = "i:1 ; complete";
        for (cut, good) in
            [(0, "complete"), (1, "complete"), (2, "incomplete"), (3, "i:1 ; complete")]
        {
            assert_eq!(judge(whole, cut, good), Ok(()), "{cut}");
        }
        for (cut, bad) in [
            (0, "incomplete"),
            (2, "complete"),
            (2, "i:1 ; complete"),
            (3, "i:2 ; complete"),
            (2, "error x 1"),
        ] {
            assert!(judge(whole, cut, bad).is_err(), "{cut}: {bad}");
        }
    }

    #[test]
    fn a_prefix_shows_the_error_of_the_whole_or_none() {
        assert_eq!(judge("error x 1", 2, "error x 1"), Ok(()));
        assert_eq!(judge("error x 1", 2, "incomplete"), Ok(()));
        assert!(judge("error x 1", 2, "error x 2").is_err());
    }

    #[test]
    fn white_space_and_whole_comments_are_blank() {
        for blank in ["", " \t\n\r,", "%%", "%a\\%b% %c%"] {
            assert!(is_blank(blank.as_bytes()), "{blank}");
        }
        for other in ["1", "%", "%a", "%a\\%", " x"] {
            assert!(!is_blank(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn short_inputs_are_cut_everywhere_and_long_ones_here_and_there() {
        assert_eq!(cuts(3), [0, 1, 2]);
        let cuts = cuts(1_000_000);
        assert!((2..200).contains(&cuts.len()) && cuts.iter().all(|cut| *cut < 1_000_000));
    }
}
