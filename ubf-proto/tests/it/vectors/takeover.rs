//! The vectors of `spec/vectors/takeover`: sessions and connections as one process gives them to the
//! next (U7).

use serde::Deserialize;
use ubf_codec::decode;
use ubf_proto::export::{LiveExport, SessionExport};
use ubf_proto::server::RestoredItem;

#[derive(Deserialize)]
struct Exports {
    export: Vec<Export>,
    no_export: Vec<NoExport>,
    live: Vec<Live>,
    no_live: Vec<NoExport>,
    #[cfg_attr(not(feature = "classic"), expect(dead_code, reason = "they are of stock clients"))]
    connection: Vec<Connection>,
    #[cfg_attr(not(feature = "classic"), expect(dead_code, reason = "they are of stock clients"))]
    no_connection: Vec<NoExport>,
}

#[derive(Deserialize)]
#[cfg_attr(not(feature = "classic"), expect(dead_code, reason = "they are of stock clients"))]
struct Connection {
    name: String,
    written: String,
    place: String,
    unread: String,
    unsent: String,
    events: Vec<String>,
}

#[derive(Deserialize)]
struct Live {
    name: String,
    written: String,
    service: String,
    packets: u64,
    unread: String,
    unsent: String,
    session: String,
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

fn exports() -> Exports {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../spec/vectors/takeover/exports.toml");
    toml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[cfg(feature = "classic")]
#[test]
fn u7_connections_are_read_and_written_as_the_vectors_say() {
    use ubf_proto::export::ClassicExport;

    let Exports { connection, no_connection, .. } = exports();
    for Connection { name, written, place, unread, unsent, events } in connection {
        let packet = decode(written.as_bytes()).unwrap_or_else(|error| panic!("{name}: {error}"));
        let read = ClassicExport::read(packet.root()).unwrap_or_else(|| panic!("{name}"));
        assert_eq!(read.to_term(), packet.root().to_term(), "{name}");
        let found = read.session.place.map_or("meta".to_owned(), |(service, state)| {
            format!("{} in {}", service.to_latin1(), state.to_latin1())
        });
        assert_eq!(found, place, "{name}");
        assert_eq!(read.session.unread, unread.as_bytes(), "{name}");
        assert_eq!(read.unsent, unsent.as_bytes(), "{name}");
        let found: Vec<_> = read.session.events.iter().map(ToString::to_string).collect();
        assert_eq!(found, events, "{name}");
    }
    for NoExport { name, written } in no_connection {
        let packet = decode(written.as_bytes()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(ClassicExport::read(packet.root()), None, "{name}");
    }
}

#[test]
fn u7_exports_are_read_and_written_as_the_vectors_say() {
    let exports = exports();
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

#[test]
fn u7_live_connections_are_read_and_written_as_the_vectors_say() {
    let Exports { live, no_live, .. } = exports();
    for Live { name, written, service, packets, unread, unsent, session } in live {
        let packet = decode(written.as_bytes()).unwrap_or_else(|error| panic!("{name}: {error}"));
        let read = LiveExport::read(packet.root()).unwrap_or_else(|| panic!("{name}"));
        assert_eq!(read.to_term(), packet.root().to_term(), "{name}");
        let found =
            read.connection.service.name().map_or_else(String::new, ubf_codec::Text::to_latin1);
        assert_eq!(found, service, "{name}");
        assert_eq!(read.connection.packets, packets, "{name}");
        assert_eq!(read.connection.unread, unread.as_bytes(), "{name}");
        assert_eq!(read.unsent, unsent.as_bytes(), "{name}");
        let found = read.session.zip(read.connection.session).map(|((_, turn), it)| {
            let (level, received, kept) = (it.grant.level, it.received, it.kept.len());
            let events = it.events_made.unwrap();
            format!("attempt {turn}, {level}, {received} received, {events} events, {kept} kept")
        });
        assert_eq!(found.unwrap_or_default(), session, "{name}");
    }
    for NoExport { name, written } in no_live {
        let packet = decode(written.as_bytes()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(LiveExport::read(packet.root()), None, "{name}");
    }
}
