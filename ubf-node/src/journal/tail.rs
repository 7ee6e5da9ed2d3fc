//! Where the whole records of a file end: what comes after was cut short when a process was killed.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};

use bytes::{Buf as _, BytesMut};
use ubf_codec::{Limits, StreamDecoder};

/// So much of the end of a file is looked at. Chosen: two of the largest records that a server
/// with default limits writes, and no long wait at the start.
const MAX_TAIL_BYTES: u64 = 64 << 20;
/// What a record begins with.
const HEADS: [&[u8]; 2] = [b"{'executed'", b"{'event'"];

/// The offset after the last whole record.
///
/// # Errors
/// If the file cannot be read, or is no journal.
pub(super) fn whole_end(file: &mut File) -> io::Result<u64> {
    let len = file.metadata()?.len();
    let start = len.saturating_sub(MAX_TAIL_BYTES);
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.take(MAX_TAIL_BYTES).read_to_end(&mut bytes)?;
    let end = whole_end_of(&bytes, start == 0).ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidData, "it is no journal, and stays as it is")
    })?;
    Ok(start + end as u64)
}

/// The same for the end of a file, or for all of it. `None`: there is no record in it.
fn whole_end_of(bytes: &[u8], is_all: bool) -> Option<usize> {
    // A file of which the first record was cut short.
    let begins_as_one = HEADS.iter().any(|head| bytes.starts_with(head) || head.starts_with(bytes));
    let mut end = (is_all && begins_as_one).then_some(0);
    let mut at = end.or_else(|| next_head(bytes, 0));
    while let Some(start) = at {
        let (records, is_broken) = records_from(bytes.get(start..).unwrap_or_default());
        if records > 0 || end.is_none() {
            end = Some(start + records);
        }
        // Something is broken in between: what comes after may be whole.
        at = if is_broken { next_head(bytes, start + records + 1) } else { None };
    }
    end
}

/// How many bytes whole records have here, and whether what follows them is no record.
fn records_from(bytes: &[u8]) -> (usize, bool) {
    // A record is larger than the request in it.
    let limits = Limits::default()
        .with_max_packet_bytes(u32::MAX)
        .with_max_depth(u32::MAX)
        .with_max_expanded_nodes(u64::MAX)
        .with_max_expanded_bytes(u64::MAX);
    let mut decoder = StreamDecoder::new().with_limits(limits);
    let mut rest = BytesMut::from(bytes);
    let mut end = 0;
    loop {
        match decoder.decode(&mut rest) {
            Ok(Some(_)) => {
                if rest.first() == Some(&b'\n') {
                    rest.advance(1);
                }
                end = bytes.len() - rest.len();
            }
            Ok(None) => return (end, false),
            Err(_) => return (end, true),
        }
    }
}

/// The next place where a line begins as a record does.
fn next_head(bytes: &[u8], from: usize) -> Option<usize> {
    let begins = |&at: &usize| {
        let is_line = at == 0 || bytes.get(at - 1) == Some(&b'\n');
        let rest = bytes.get(at..).unwrap_or_default();
        is_line && HEADS.iter().any(|head| rest.starts_with(head))
    };
    (from..bytes.len()).find(begins)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_cut_at_any_byte_ends_after_its_last_whole_record() {
        let records =
            ["{'executed'?1 'a'}$\n", "{'event'\"irc\"2 \"x$\ny\"}$\n", "{'executed'?3 {}}$\n"];
        let all = records.concat();
        for cut in 0..=all.len() {
            let mut end = 0;
            for record in records {
                // The newline may be missing: the packet is whole.
                if cut < end + record.len() - 1 {
                    break;
                }
                end += record.len();
            }
            assert_eq!(whole_end_of(&all.as_bytes()[..cut], true), Some(end.min(cut)), "{cut}");
        }
    }

    #[test]
    fn what_was_broken_before_does_not_hide_what_is_whole_after_it() {
        let text = "{'executed'?1 {'pu{'executed'?1 'a'}$\n{'executed'?1 'b'}$\n{'exec";
        assert_eq!(whole_end_of(text.as_bytes(), true), Some(text.len() - 6));
    }

    #[test]
    fn the_end_of_a_long_file_begins_in_the_midst_of_a_record() {
        let text = "x'}$\n{'executed'?1 'b'}$\n{'exec";
        assert_eq!(whole_end_of(text.as_bytes(), false), Some(text.len() - 6));
        assert_eq!(whole_end_of(text.as_bytes(), true), Some(text.len() - 6));
    }

    #[test]
    fn a_file_of_something_else_is_no_journal() {
        assert_eq!(whole_end_of(b"root:x:0:0\n", true), None);
        assert_eq!(whole_end_of(b"", true), Some(0));
    }
}
