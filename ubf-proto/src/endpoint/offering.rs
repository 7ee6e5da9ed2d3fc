//! What is offered to all clients, and what to those of one peer (N6).

use alloc::sync::Arc;
use alloc::vec::Vec;

use ubf_codec::{Address, Version};

use super::addresses::can_be_told;
use super::news::News;
use super::{ConnectionKey, Endpoint, Notice, Origin};
use crate::offer::Withdrawal;
use crate::server;
use crate::service::Service;

impl Endpoint {
    pub(super) fn crashed(
        &mut self,
        connection: ConnectionKey,
        service: Service,
        version: Version,
    ) -> bool {
        // S6: a handler may outlive the connection.
        let known = self.connections.origin(connection);
        let Some(origin) = known.or_else(|| self.sessions.origin(connection)) else {
            return false;
        };
        let (now, random) = (self.now, &mut self.random);
        let withdrawn = self.offer.handler_crashed(&service, version, origin, now, random);
        if let Some(Withdrawal { peer, until }) = withdrawn {
            self.note(Notice::Withdrawn { service, version, peer, until });
            match peer {
                None => self.share_offer(),
                Some(peer) => {
                    self.share_own_offers(Some(peer));
                    self.bulletin.add(News::OfferTo(peer));
                }
            }
        }
        true
    }

    pub(super) fn withdraw(&mut self, service: Service, version: Version) -> bool {
        let is_done = self.offer.withdraw(&service, version);
        if is_done {
            self.note(Notice::WithdrawnByOperator(service, version));
            self.share_offer();
        }
        is_done
    }

    pub(super) fn restore(&mut self, service: Service, version: Version) -> bool {
        let is_done = self.offer.restore(&service, version);
        if is_done {
            self.note(Notice::Restored(service, version));
            self.share_offer();
        }
        is_done
    }

    fn share_offer(&mut self) {
        self.shared_offer = Arc::new(self.offer.for_all(self.now));
        self.share_own_offers(None);
        self.bulletin.add(News::Offer);
    }

    /// Looks up what peers of their own are offered: those that were known, and this one.
    fn share_own_offers(&mut self, peer: Option<Origin>) {
        let known = core::mem::take(&mut self.own_offers).into_keys();
        for origin in known.chain(peer) {
            if let Some(offer) = self.offer.for_peer(origin, self.now) {
                self.own_offers.insert(origin, Arc::new(offer));
            }
        }
    }

    pub(super) fn set_peers(&mut self, mut peers: Vec<Address>) -> bool {
        peers.retain(|peer| !self.own.contains(peer));
        if !can_be_told(&peers) {
            return false;
        }
        self.note(Notice::Peers(peers.clone()));
        self.session = Arc::new(server::Config { peers, ..server::Config::clone(&self.session) });
        self.bulletin.add(News::Config);
        true
    }
}
