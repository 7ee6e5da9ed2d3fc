//! The vectors of `spec/vectors/takeover`: sessions as one process gives them to the next (U7).

use serde::Deserialize;
use ubf_codec::decode;
use ubf_proto::export::SessionExport;
use ubf_proto::server::RestoredItem;

#[derive(Deserialize)]
struct Exports {
    export: Vec<Export>,
    no_export: Vec<NoExport>,
}

#[derive(Deserialize)]
struct Export {
    name: String,
    written: String,
    turn: u64,
    received: u64,
    events: u64,
    kept: Vec<String>,
}

#[derive(Deserialize)]
struct NoExport {
    name: String,
    written: String,
}

#[test]
fn u7_exports_are_read_and_written_as_the_vectors_say() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../spec/vectors/takeover/exports.toml");
    let exports: Exports = toml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    for Export { name, written, turn, received, events, kept } in exports.export {
        let packet = decode(written.as_bytes()).unwrap_or_else(|error| panic!("{name}: {error}"));
        let read = SessionExport::read(packet.root()).unwrap_or_else(|| panic!("{name}"));
        assert_eq!(read.to_term(), packet.root().to_term(), "{name}");
        assert_eq!((read.place.turn, read.session.received), (turn, received), "{name}");
        assert_eq!(read.session.events_made, Some(events), "{name}");
        let items = read.session.kept.iter().map(|item| match item {
            RestoredItem::Answer(number, _) => format!("answer {number}"),
            RestoredItem::Event { .. } => "event".to_owned(),
        });
        assert_eq!(items.collect::<Vec<_>>(), kept, "{name}");
    }
    for NoExport { name, written } in exports.no_export {
        let packet = decode(written.as_bytes()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(SessionExport::read(packet.root()), None, "{name}");
    }
}
