//! From the client to the node: every byte as it is, up to where the two are parted.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use ubf_codec::{ClientHeader, Mode, Version};
use ubf_proto::Versions;
use ubf_proto::control::ClientControl;

use super::{Course, Directory, Effect, Held, Passage, Reading, pass};
use crate::cut::Cut;
use crate::opening::{MAX_CONTROL_BYTES, control};
use crate::skim::Skimmed;

/// Why a client is told to come again: another node has a higher version for it.
pub(crate) const OTHER_NODE: &str = "other_node";

impl Passage {
    /// Takes in what has come from the client, and lets it pass to the node.
    pub(crate) fn hear_client(
        &mut self,
        input: &mut BytesMut,
        out: &mut VecDeque<Bytes>,
        directory: &dyn Directory,
    ) {
        // How many bytes at the front are to pass.
        let mut passing = 0;
        while self.takes_from_client() {
            let Reading::Cut(cutter, held) = &mut self.up else {
                passing = input.len();
                break;
            };
            let from = held.as_ref().map_or(passing, |held| held.seen);
            let Ok(cut) = cutter.cut(input.get(from..).unwrap_or_default()) else {
                self.up = Reading::Blind;
                continue;
            };
            match (cut, held) {
                (Cut::Nothing, _) => break,
                (Cut::Blank(len), _) => passing += len,
                (Cut::Head(header, len), _) => match header.mode {
                    Mode::Version(version) => {
                        if self.goes_elsewhere(version, directory) {
                            pass(input, passing, out);
                            return self.lead_elsewhere(out);
                        }
                        self.packets += 1;
                        passing += len;
                    }
                    Mode::Negotiation => {
                        pass(input, passing, out);
                        passing = 0;
                        self.packets += 1;
                        self.hold(header, len);
                    }
                },
                (Cut::Body(Skimmed { len, is_end }), None) => {
                    passing += len;
                    if is_end && let Course::LeavingAtEnd { why } = self.course {
                        pass(input, passing, out);
                        return self.ask_behind(why, out);
                    }
                }
                (Cut::Body(Skimmed { len, is_end }), Some(held)) => {
                    held.seen += len;
                    let (start, end) = (held.header_len, held.seen);
                    if is_end {
                        self.release();
                        let body = input.get(start..end).unwrap_or_default();
                        if self.is_parted_by(control(body), directory) {
                            self.packets -= 1;
                            return self.lead_elsewhere(out);
                        }
                        passing = end;
                    } else if end > MAX_CONTROL_BYTES {
                        // L1: the node judges it.
                        self.release();
                        passing = end;
                    }
                }
            }
        }
        pass(input, passing, out);
    }

    fn lead_elsewhere(&mut self, out: &mut VecDeque<Bytes>) {
        self.effects.push(Effect::LedElsewhere);
        self.ask_behind(OTHER_NODE, out);
    }

    fn hold(&mut self, header: ClientHeader, header_len: usize) {
        if let Reading::Cut(_, held) = &mut self.up {
            *held = Some(Held { header, header_len, seen: header_len });
        }
    }

    fn release(&mut self) {
        if let Reading::Cut(_, held) = &mut self.up {
            *held = None;
        }
    }

    /// F5.6: whether a message goes to another node, since this one does not speak its version.
    fn goes_elsewhere(&mut self, version: Version, directory: &dyn Directory) -> bool {
        if self.checked == Some(version) {
            return false;
        }
        if self.asked.is_empty() {
            self.asked.insert(version);
        }
        let is_spoken = self.spoken.as_ref().is_none_or(|spoken| spoken.contains(version));
        let alone: Versions = [version].into_iter().collect();
        // While an answer about versions is under way nothing is known.
        if !is_spoken
            && self.pending.is_empty()
            && directory.is_better_elsewhere(self.node, &self.service, &alone)
        {
            return true;
        }
        self.checked = Some(version);
        false
    }

    /// Takes in a packet of version 0 before it passes. Whether it does not: another node has a
    /// higher version for what the client asks.
    fn is_parted_by(&mut self, control: Option<ClientControl>, directory: &dyn Directory) -> bool {
        match control {
            Some(ClientControl::Negotiate(negotiate)) => {
                let (service, versions) = (&negotiate.service, &negotiate.versions);
                if directory.is_better_elsewhere(self.node, service, versions) {
                    return true;
                }
                self.asked_for(&negotiate);
                false
            }
            Some(ClientControl::Seen { is_end: true, .. }) => {
                self.effects.extend(self.session.take().map(Effect::Ended));
                false
            }
            Some(
                ClientControl::Seen { .. }
                | ClientControl::Ping
                | ClientControl::Context(_)
                | ClientControl::Error { .. },
            )
            | None => false,
        }
    }
}
