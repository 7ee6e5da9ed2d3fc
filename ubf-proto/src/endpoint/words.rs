//! What one connection is told, when its turn comes.

use alloc::sync::Arc;
use core::time::Duration;

use ubf_codec::Term;

use super::lifecycle::{Course, Lifecycle};
use super::moves::{Move, Step};
use super::news::News;
use super::{Endpoint, Listening, Origin};
use crate::server;
use crate::time::Time;

impl Endpoint {
    /// What a connection is told, after so many others.
    pub(super) fn say(
        &mut self,
        news: News,
        origin: Origin,
        count: usize,
    ) -> Option<server::Input> {
        match news {
            News::OfferTo(peer) if peer != origin => None,
            News::Offer | News::OfferTo(_) => {
                Some(server::Input::Offer(Arc::clone(self.offer_to(origin))))
            }
            News::Config => Some(server::Input::Config(Arc::clone(&self.session))),
            News::Undrain => Some(server::Input::Undrain),
            News::NextIp => {
                let next_ip = self.load_next_ip().cloned();
                Some(server::Input::NextIp(self.for_one_client(next_ip)))
            }
            News::Drain => {
                let course = self.told_drain()?.clone();
                // R3: paced, so that not all move at once.
                let notice_at = course.notice_at(count, self.connections.len());
                Some(self.drain_input(course, notice_at))
            }
            News::Close => {
                let within = self.life.plan().map_or(Duration::ZERO, |plan| plan.hard_stop);
                Some(server::Input::Close { why: Term::atom("shutdown"), within })
            }
            News::Cut => None,
        }
    }

    /// The drain that sessions are told of.
    pub(super) const fn told_drain(&self) -> Option<&Course> {
        match (&self.life, self.listening) {
            (Lifecycle::Draining(course), Listening::Yes | Listening::No) => Some(course),
            (Lifecycle::Draining(_), Listening::ToEnd | Listening::Ending)
            | (Lifecycle::Serving | Lifecycle::Closing(_) | Lifecycle::Stopped, _) => None,
        }
    }

    pub(super) fn drain_input(&mut self, course: Course, notice_at: Time) -> server::Input {
        let until = course.grace_end();
        let next_ip = self.for_one_client(course.plan.next_ip);
        server::Input::Drain { next_ip, until, notice_at }
    }

    /// What one connection is told because of its move.
    pub(super) fn move_input(&mut self, step: Step) -> server::Input {
        match step {
            Step::Go(Move { next_ip, until, .. }) => {
                let next_ip = self.for_one_client(Some(next_ip));
                server::Input::Drain { next_ip, until, notice_at: self.now }
            }
            Step::Close { hard_stop } => {
                server::Input::Close { why: Term::atom("operator"), within: hard_stop }
            }
        }
    }
}
