//! From the node to the client: bodies as they are, headers without addresses of nodes, and answers
//! about versions that speak for all nodes.

use std::collections::VecDeque;

use bytes::{Buf as _, Bytes, BytesMut};
use ubf_codec::{Decoder, Document, Header as _, Mode, NextIp, ServerHeader, Term};
use ubf_proto::Versions;
use ubf_proto::control::{Agreed, Options, ServerControl};
use ubf_proto::session::SessionOption;

use super::rewrite::{options_with, told_with, tuple_with};
use super::{Course, Directory, Effect, Held, Passage, Pending, Reading, closing, packet, pass};
use crate::cut::Cut;
use crate::opening::MAX_CONTROL_BYTES;
use crate::skim::Skimmed;

/// What becomes of a packet that was held.
enum Verdict {
    /// It passes as it is, but for its NextIP.
    Pass,
    /// It passes in these words.
    Say(Term),
    /// It does not pass.
    Drop,
    /// All before the client's last packet is answered: the two are parted.
    Part,
}

impl Passage {
    /// Takes in what has come from the node, and lets it pass to the client.
    pub(crate) fn hear_node(
        &mut self,
        input: &mut BytesMut,
        out: &mut VecDeque<Bytes>,
        directory: &dyn Directory,
    ) {
        let mut passing = 0;
        while !self.has_ended() {
            let Reading::Cut(cutter, held) = &mut self.down else {
                passing = input.len();
                break;
            };
            let from = held.as_ref().map_or(passing, |held| held.seen);
            let Ok(cut) = cutter.cut(input.get(from..).unwrap_or_default()) else {
                self.down = Reading::Blind;
                continue;
            };
            match (cut, held.as_mut()) {
                (Cut::Nothing, _) => break,
                (Cut::Blank(len), _) => passing += len,
                (Cut::Head(header, len), _) => {
                    // P5.5: the answer to a `negotiate` has the version that was agreed on.
                    let is_held = header.mode == Mode::Negotiation || !self.pending.is_empty();
                    if is_held {
                        pass(input, passing, out);
                        passing = 0;
                        *held = Some(Held { header, header_len: len, seen: len });
                    } else if header.next_ip.is_none() && self.drain.is_none() {
                        passing += len;
                    } else {
                        pass(input, passing, out);
                        passing = 0;
                        input.advance(len);
                        self.say_header(header, out, directory);
                    }
                }
                (Cut::Body(Skimmed { len, is_end }), None) => {
                    passing += len;
                    if is_end && let Some(notice) = self.notice.take() {
                        pass(input, passing, out);
                        passing = 0;
                        out.push_back(notice);
                    }
                }
                (Cut::Body(Skimmed { len, is_end }), Some(whole)) => {
                    whole.seen += len;
                    if is_end && let Some(whole) = held.take() {
                        let bytes = input.split_to(whole.seen).freeze();
                        self.take_in(&whole, &bytes, out, directory);
                        out.extend(self.notice.take());
                    } else if let Some(long) = held.take_if(|held| held.seen > MAX_CONTROL_BYTES) {
                        // L1: it passes unread.
                        input.advance(long.header_len);
                        passing = long.seen - long.header_len;
                        self.say_header(long.header, out, directory);
                    }
                }
            }
        }
        pass(input, passing, out);
    }

    /// F5.7: a header with the NextIP that the client is told.
    fn say_header(
        &mut self,
        header: ServerHeader,
        out: &mut VecDeque<Bytes>,
        directory: &dyn Directory,
    ) {
        let next_ip = self.told(header.next_ip, directory);
        let mut bytes = Vec::new();
        ServerHeader { mode: header.mode, next_ip }.write(&mut bytes);
        out.push_back(bytes.into());
    }

    /// F5.7, F5.8: what a client is told where a node says this. The switch's own address means to
    /// come again; it is told only if another node would take the client.
    fn told(&mut self, named: Option<NextIp>, directory: &dyn Directory) -> Option<NextIp> {
        if let Some(next_ip) = &self.drain {
            return Some(next_ip.clone());
        }
        let named = named?;
        if self.words.passes_next_ip {
            return Some(named);
        }
        self.effects.push(Effect::NodeSendsAway);
        let own = self.words.own.clone()?;
        if !directory.takes_instead(self.node, &self.service, &self.asked) {
            return None;
        }
        if let Some(id) = self.session {
            self.effects.push(Effect::SentAway(id));
        }
        Some(own)
    }

    /// A packet that was held is whole.
    fn take_in(
        &mut self,
        held: &Held<ServerHeader>,
        bytes: &Bytes,
        out: &mut VecDeque<Bytes>,
        directory: &dyn Directory,
    ) {
        let Held { header: ServerHeader { mode, next_ip }, header_len, .. } = held;
        let body = bytes.slice(*header_len..);
        let verdict = match Decoder::new().decode_shared(body.clone()) {
            Ok(document) => self.judge(*mode, next_ip.as_ref(), &document, directory),
            // Its client will say what is wrong with it.
            Err(_) => Verdict::Pass,
        };
        match verdict {
            Verdict::Drop => {}
            Verdict::Part => {
                if let Course::Leaving { why } = self.course {
                    out.push_back(closing(why, self.drain.clone(), self.packets));
                    self.course = Course::Ended { is_settled: true };
                }
            }
            Verdict::Say(term) => {
                let told = self.told(next_ip.clone(), directory);
                out.push_back(packet(*mode, told, &term));
            }
            Verdict::Pass if next_ip.is_none() && self.drain.is_none() => {
                out.push_back(bytes.clone());
            }
            Verdict::Pass => {
                let header = ServerHeader { mode: *mode, next_ip: next_ip.clone() };
                self.say_header(header, out, directory);
                out.push_back(body);
            }
        }
    }

    fn judge(
        &mut self,
        mode: Mode,
        next_ip: Option<&NextIp>,
        document: &Document<Bytes>,
        directory: &dyn Directory,
    ) -> Verdict {
        let root = document.root();
        if let Mode::Version(version) = mode {
            let Ok(agreed) = Agreed::from_term(root) else { return Verdict::Pass };
            let Some(pending) = self.pending.pop_front() else { return Verdict::Pass };
            let offered = directory.offered(&agreed.service);
            let told = told_with(&offered, &agreed.versions, &pending.versions, Some(version));
            let term = tuple_with(root, 3, &told, |options| self.told_options(options));
            self.settle(pending, agreed.versions, &agreed.options);
            return term.map_or(Verdict::Pass, Verdict::Say);
        }
        match ServerControl::from_term(root) {
            Ok(ServerControl::NoCommonVersion { service, versions, options }) => {
                let Some(pending) = self.pending.pop_front() else { return Verdict::Pass };
                let offered = directory.offered(&service);
                let told = told_with(&offered, &versions, &pending.versions, None);
                let term = tuple_with(root, 3, &told, |options| self.told_options(options));
                self.settle(pending, versions, &options);
                term.map_or(Verdict::Pass, Verdict::Say)
            }
            Ok(ServerControl::Refused { why, versions, packet, .. }) => {
                self.refused(root, &why, &versions, packet, directory)
            }
            Ok(ServerControl::Failed { versions, .. }) => {
                self.with_offered(root, &versions, directory)
            }
            Ok(ServerControl::Moved { .. }) => {
                // A notice that names nobody says nothing.
                if self.told(next_ip.cloned(), directory).is_some() {
                    Verdict::Pass
                } else {
                    Verdict::Drop
                }
            }
            Ok(ServerControl::Closing { why, .. }) => {
                self.closes(&why, next_ip);
                Verdict::Pass
            }
            Ok(ServerControl::Pong) if self.pongs_given > 0 => {
                self.pongs_given -= 1;
                Verdict::Drop
            }
            Ok(ServerControl::Pong | ServerControl::Error { .. }) | Err(_) => Verdict::Pass,
        }
    }

    fn told_options(&self, options: ubf_codec::TermRef<'_>) -> Term {
        let peers = (!self.words.passes_next_ip).then_some(&self.words.peers);
        options_with(options, peers, self.is_unsure)
    }

    /// A negotiation has its answer.
    fn settle(&mut self, pending: Pending, spoken: Versions, options: &Options) {
        match (pending.session, options.session) {
            (Some(SessionOption::Open(wish)), Some(SessionOption::Granted(grant))) => {
                self.session = Some(wish.id);
                self.effects.push(Effect::Opened(wish.id, grant));
            }
            (Some(SessionOption::Resume(resume)), Some(SessionOption::Resumed(_))) => {
                self.session = Some(resume.id);
                self.effects.push(Effect::Resumed(resume.id));
            }
            _ => {}
        }
        self.is_unsure = false;
        self.checked = None;
        self.effects.push(Effect::Speaks(pending.service.clone(), spoken.clone()));
        (self.service, self.asked) = (pending.service, pending.versions);
        self.spoken = Some(spoken);
    }

    fn refused(
        &mut self,
        root: ubf_codec::TermRef<'_>,
        why: &Term,
        versions: &Versions,
        packet: u64,
        directory: &dyn Directory,
    ) -> Verdict {
        if matches!(self.course, Course::Leaving { .. }) && packet == self.packets + 1 {
            return Verdict::Part;
        }
        if self.pending.front().is_some_and(|pending| pending.packet == packet) {
            self.pending.pop_front();
            return Verdict::Pass;
        }
        if ServerControl::refused_version(why).is_some() {
            self.checked = None;
            self.effects.push(Effect::Speaks(self.service.clone(), versions.clone()));
            self.spoken = Some(versions.clone());
        }
        self.with_offered(root, versions, directory)
    }

    /// F5.3: the lists of `refused` and `failed`, too, speak for all nodes.
    fn with_offered(
        &self,
        root: ubf_codec::TermRef<'_>,
        versions: &Versions,
        directory: &dyn Directory,
    ) -> Verdict {
        // N14: whoever may not use a service learns nothing of it.
        if versions.is_empty() {
            return Verdict::Pass;
        }
        let offered = directory.offered(&self.service);
        let told = told_with(&offered, versions, &Versions::new(), None);
        if told == *versions {
            return Verdict::Pass;
        }
        tuple_with(root, 2, &told, |field| field.to_term()).map_or(Verdict::Pass, Verdict::Say)
    }

    /// The node says its last word.
    fn closes(&mut self, why: &Term, next_ip: Option<&NextIp>) {
        let is_moved = why.is_atom("moved");
        if is_moved && let Some(id) = self.session {
            self.effects.push(Effect::Moved(id, next_ip.cloned()));
        }
        // S5: whoever was overtaken has nothing to say about the session.
        let is_settled = !is_moved && !why.is_atom("overtaken") && !why.is_atom("session_exists");
        self.course = Course::Ended { is_settled };
    }
}
