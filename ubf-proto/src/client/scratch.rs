//! Memory that a session needs only while it is at work.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use core::mem;

use ubf_codec::{ServerHeader, VersionedDecoder};

use super::ClientSession;
use super::calls::OpenCall;
use super::connection::Sent;
use super::output::Output;

/// Room for more than this is not kept: it is that of an unusual batch. Chosen: four usual ones.
const MAX_KEPT: usize = 256;

/// Memory that a session needs while calls are open, and not while it is idle: its decoder, and its
/// queues.
///
/// A shell with many sessions keeps one for each thread: [`attach_scratch`](ClientSession::attach_scratch) gives it
/// to the session that is at work, and [`release_scratch`](ClientSession::release_scratch) takes it back.
#[derive(Debug, Default)]
pub struct Scratch {
    decoder: Option<Box<VersionedDecoder<ServerHeader>>>,
    outputs: VecDeque<Output>,
    waiting: VecDeque<OpenCall>,
    in_flight: VecDeque<Sent>,
}

impl ClientSession {
    /// Gives the session memory to work in, if it has none. What it does with it is the same
    /// without.
    pub fn attach_scratch(&mut self, scratch: &mut Scratch) {
        lend(&mut scratch.outputs, &mut self.outputs);
        lend(&mut scratch.waiting, self.waiting.room());
        if let Some(link) = &mut self.current {
            lend(&mut scratch.in_flight, &mut link.in_flight);
            if let Some(decoder) = scratch.decoder.take() {
                scratch.decoder = link.inbound.attach(decoder);
            }
        }
    }

    /// Takes the memory back from a session in which no call is open: it is not needed before the
    /// next one. From another one nothing is taken.
    pub fn release_scratch(&mut self, scratch: &mut Scratch) {
        if self.open_calls > 0 {
            return;
        }
        give_back(&mut self.outputs, &mut scratch.outputs);
        give_back(self.waiting.room(), &mut scratch.waiting);
        if let Some(link) = &mut self.current {
            give_back(&mut link.in_flight, &mut scratch.in_flight);
            let decoder = link.inbound.take_decoder();
            scratch.decoder = decoder.or_else(|| scratch.decoder.take());
        }
    }
}

fn lend<T>(from: &mut VecDeque<T>, to: &mut VecDeque<T>) {
    if to.capacity() == 0 {
        mem::swap(from, to);
    }
}

/// Whatever is not empty stays.
fn give_back<T>(from: &mut VecDeque<T>, to: &mut VecDeque<T>) {
    if from.is_empty() {
        let room = mem::take(from);
        if room.capacity() <= MAX_KEPT {
            *to = room;
        }
    }
}
