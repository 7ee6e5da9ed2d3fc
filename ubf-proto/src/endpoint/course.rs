//! How a server goes from serving to stopped, and what it tells of that.

use core::time::Duration;

use ubf_codec::NextIp;

use super::addresses::can_be_told;
use super::lifecycle::{End, Lifecycle};
use super::news::News;
use super::{Endpoint, Listening, Notice};
use crate::drain::{DrainPlan, Phase};

impl Endpoint {
    pub(super) fn drain(&mut self, plan: DrainPlan, end: End) -> bool {
        let goals = plan.next_ip.as_ref().map_or(&[][..], NextIp::addresses);
        if !can_be_told(goals) || !self.life.drain(plan.clone(), end, self.now) {
            return false;
        }
        if self.listening == Listening::Yes && goals.iter().any(|goal| self.own.contains(goal)) {
            self.listening = Listening::ToEnd;
        }
        self.moves.clear();
        self.note(Notice::Draining(plan));
        self.bulletin.add(News::Drain);
        true
    }

    pub(super) fn undrain(&mut self) -> bool {
        if self.listening != Listening::Yes || !self.life.undrain() {
            return false;
        }
        self.moves.clear();
        self.note(Notice::Serving);
        self.bulletin.add(News::Undrain);
        self.bulletin.add(News::NextIp);
        true
    }

    pub(super) fn stopped_listening(&mut self) -> bool {
        let is_new = self.listening != Listening::No;
        self.listening = Listening::No;
        if matches!(self.life, Lifecycle::Draining(_)) {
            self.note(Notice::Left);
            self.bulletin.add(News::Drain);
        }
        is_new
    }

    pub(super) fn shut_down(&mut self, hard_stop: Duration) -> bool {
        let is_new = self.life.close(hard_stop, self.now);
        if is_new {
            self.begin_closing();
        }
        is_new
    }

    pub(super) fn stop(&mut self) -> bool {
        let is_new = self.phase() != Phase::Stopped;
        if is_new {
            self.life = Lifecycle::Stopped;
            self.begin_stopping();
        }
        is_new
    }

    /// Takes the phases as they come.
    pub(super) fn advance(&mut self) {
        let (connections, last_words) = (self.connections.len(), self.limits.max_last_words_time);
        while self.life.advance(self.now, connections, last_words) {
            match self.phase() {
                Phase::Closing => self.begin_closing(),
                Phase::Stopped => self.begin_stopping(),
                Phase::Serving | Phase::Draining => debug_assert!(false, "no phase comes back"),
            }
        }
    }

    fn begin_closing(&mut self) {
        let within = self.life.plan().map_or(Duration::ZERO, |plan| plan.hard_stop);
        self.note(Notice::Closing { connections: self.connections.len(), within });
        self.bulletin.add(News::Close);
        self.end_listening();
    }

    fn begin_stopping(&mut self) {
        self.note(Notice::Stopped { connections: self.connections.len() });
        self.bulletin.add(News::Cut);
        self.end_listening();
    }

    /// Nobody listens any longer: clients find the next server.
    fn end_listening(&mut self) {
        if self.listening == Listening::Yes {
            self.listening = Listening::ToEnd;
        }
    }
}
