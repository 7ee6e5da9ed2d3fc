//! What may leave the gate goes to the connections.

use bytes::Bytes;
use tracing::error;
use ubf_proto::server::{Restored, RestoredItem, SessionAnswer, StoredAnswer};
use ubf_server::OwnerLink;
use ubf_state::shard::{Leaving, To};
use ubf_state::{Kept, KeptEvent, SessionKey};

use super::worker::{ORDERS, Worker};
use crate::service::StatefulService;

impl<S: StatefulService> Worker<S> {
    pub(super) fn leave(&mut self, to: To, what: Leaving) {
        match to {
            To::Session(key) => self.leave_session(key, what),
            To::Connection(ORDERS) => {
                if let Leaving::Mark(mark) = what {
                    self.desk.stored(mark);
                }
            }
            To::Connection(call) => {
                let Some((link, packet)) = self.links.answered(call) else { return };
                match what {
                    Leaving::Answer { body, .. } => tell(&link, packet, &body),
                    Leaving::Mark(_) => link.taken(packet),
                    Leaving::Opened | Leaving::Resumed { .. } | Leaving::Event(_) | _ => {
                        debug_assert!(false, "that is for sessions");
                    }
                }
            }
        }
    }

    fn leave_session(&mut self, key: SessionKey, what: Leaving) {
        // What is for a connection that is gone is kept, and comes with the next resume.
        let Some(attached) = self.links.attached(key) else { return };
        match what {
            Leaving::Answer { number, body } => {
                let Some((asked, packet)) = attached.running.pop_front() else { return };
                debug_assert_eq!(asked, number, "answers leave in the order of their messages");
                tell(&attached.link, packet, &body);
                self.end_if_answered(key);
            }
            Leaving::Opened => {
                if let Some(session) = self.host.shard().session(key) {
                    attached.link.session(SessionAnswer::Granted(*session.grant()));
                }
            }
            Leaving::Resumed { received, kept, events_made, events } => {
                if let Some(session) = self.host.shard().session(key) {
                    let (grant, kept) = (*session.grant(), items(kept, events));
                    let events_made = Some(events_made);
                    let restored = Restored { grant, received, events_made, kept };
                    attached.link.session(SessionAnswer::Restored(Box::new(restored)));
                    if self.is_crowded {
                        attached.link.crowded(true);
                    }
                }
            }
            Leaving::Mark(packet) => attached.link.taken(packet),
            Leaving::Event(body) => match StoredAnswer::from_bytes(&body) {
                Some(StoredAnswer::Reply { version, body }) => attached.link.event(version, body),
                Some(_) | None => error!("an event is no versioned packet, and is not sent"),
            },
            other => error!(?other, "an output that this keeper does not know"),
        }
    }
}

/// Tells a connection the answer to one of its packets.
fn tell(link: &OwnerLink, packet: u64, stored: &Bytes) {
    match StoredAnswer::from_bytes(stored) {
        Some(StoredAnswer::Reply { body, .. }) => link.reply(packet, body),
        Some(StoredAnswer::Refused(why)) => link.refused(packet, why),
        Some(StoredAnswer::Failed(why)) => link.failed(packet, why),
        None => {
            error!("an answer that was made here cannot be read");
            link.cut();
        }
    }
}

/// The answers and events that a client has not seen, in the order in which they were made.
fn items(kept: Vec<Kept>, events: Vec<KeptEvent>) -> Vec<RestoredItem> {
    let mut items = Vec::with_capacity(kept.len() + events.len());
    let mut events = events.into_iter().peekable();
    for Kept { number, body } in kept {
        while let Some(event) = events.next_if(|event| event.after < number) {
            items.extend(event_item(&event));
        }
        let answer = StoredAnswer::from_bytes(&body).unwrap_or_else(|| {
            // The client is told that the call may have run, which is true.
            error!(number, "a kept answer cannot be read");
            StoredAnswer::Failed(ubf_codec::Term::atom("state"))
        });
        items.push(RestoredItem::Answer(number, answer));
    }
    items.extend(events.filter_map(|event| event_item(&event)));
    items
}

fn event_item(event: &KeptEvent) -> Option<RestoredItem> {
    match StoredAnswer::from_bytes(&event.body) {
        Some(StoredAnswer::Reply { version, body }) => Some(RestoredItem::Event { version, body }),
        Some(_) | None => {
            error!(number = event.number, "an event is no versioned packet, and is not sent");
            None
        }
    }
}
