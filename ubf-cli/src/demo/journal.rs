//! What the servers wrote down before they executed it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use bytes::BytesMut;
use ubf_codec::{StreamDecoder, TermRef, View};

use crate::ui::report::Report;

/// A call: whose, and which of that client's. Both count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CallName {
    pub(crate) client: u64,
    pub(crate) number: u64,
}

/// How often each call was begun.
pub(crate) type Executed = BTreeMap<CallName, u32>;

/// Adds the records of a journal: `{executed,Service,Version,{call,Client,Number}}`. Of a process
/// that was killed, the last one may be cut short: that call was not begun.
pub(crate) fn read(path: &Path, was_killed: bool, executed: &mut Executed) -> Result<u64, Report> {
    let wrong = |what: &str| Report::new(format!("{}: {what}", path.display()));
    let bytes = fs::read(path).map_err(|error| wrong(&crate::ui::reason::reason(&error)))?;
    let mut buffer = BytesMut::from(&*bytes);
    let mut decoder = StreamDecoder::new();
    let mut count = 0;
    while let Some(record) =
        decoder.decode(&mut buffer).map_err(|error| wrong(&error.to_string()))?
    {
        let call = call(record.root())
            .ok_or_else(|| wrong(&format!("not a record of a call: {record}")))?;
        *executed.entry(call).or_default() += 1;
        count += 1;
    }
    if !was_killed {
        decoder.finish(&buffer).map_err(|error| wrong(&error.to_string()))?;
    }
    Ok(count)
}

fn call(record: TermRef<'_>) -> Option<CallName> {
    let [executed, _service, _version, request] = tuple(record)?;
    let [call, client, number] = tuple(request)?;
    let number_of = |term: TermRef<'_>| term.as_i64().and_then(|number| u64::try_from(number).ok());
    let is_call = executed.is_atom("executed") && call.is_atom("call");
    is_call.then_some(CallName { client: number_of(client)?, number: number_of(number)? })
}

fn tuple<const N: usize>(term: TermRef<'_>) -> Option<[TermRef<'_>; N]> {
    if let View::Tuple(parts) = term.view() { parts.to_array() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str, was_killed: bool) -> Result<Vec<(u64, u64, u32)>, String> {
        let path =
            std::env::temp_dir().join(format!("ubf-journal-{}-{}", std::process::id(), text.len()));
        fs::write(&path, text).unwrap();
        let mut executed = Executed::new();
        let read = read(&path, was_killed, &mut executed);
        fs::remove_file(&path).unwrap();
        read.map_err(|report| report.render(crate::ui::palette::Palette::new(false)))?;
        Ok(executed.iter().map(|(call, &times)| (call.client, call.number, times)).collect())
    }

    #[test]
    fn records_are_counted_by_call() {
        let text = "{'executed'?10 {'call'1 1}}$\n{'executed'\"echo\"3 {'call'2 7}}$\n{'executed'?3 {'call'1 1}}$\n";
        assert_eq!(read_text(text, false).unwrap(), [(1, 1, 2), (2, 7, 1)]);
    }

    #[test]
    fn only_a_killed_process_may_leave_a_record_cut_short() {
        let text = "{'executed'?10 {'call'1 1}}$\n{'executed'?3 {'ca";
        assert_eq!(read_text(text, true).unwrap(), [(1, 1, 1)]);
        assert!(read_text(text, false).is_err());
        assert!(
            read_text("{'event'?3 {'call'1 1}}$", true)
                .unwrap_err()
                .contains("not a record of a call")
        );
    }
}
