//! The wires: bytes are cut anywhere, and take their time.

use bytes::{Bytes, BytesMut};
use ubf_proto::{client, server};

use super::{Event, Piece, World};

impl World {
    /// Cuts bytes anywhere and sends the pieces on their way.
    pub(super) fn put(&mut self, pipe: usize, to_server: bool, mut bytes: Bytes) {
        while !bytes.is_empty() {
            let len = if self.random.below(3) == 0 {
                1 + self.random.below(bytes.len() as u64) as usize
            } else {
                bytes.len()
            };
            let piece = bytes.split_to(len);
            self.put_piece(pipe, to_server, Piece::Bytes(piece));
        }
    }

    pub(super) fn put_piece(&mut self, pipe: usize, to_server: bool, piece: Piece) {
        let at = self.now + 1 + self.random.below(40);
        let wire = if to_server {
            &mut self.pipes[pipe].to_server
        } else {
            &mut self.pipes[pipe].to_client
        };
        wire.last = wire.last.max(at);
        wire.pieces.push_back(piece);
        let at = wire.last;
        self.at(at, Event::Flow { pipe, to_server });
    }

    pub(super) fn flow(&mut self, index: usize, to_server: bool) {
        let pipe = &mut self.pipes[index];
        let wire = if to_server { &mut pipe.to_server } else { &mut pipe.to_client };
        let is_late = to_server && self.now < pipe.late_until;
        if pipe.is_dead || is_late {
            return;
        }
        if self.partitions.contains(&(pipe.client, pipe.node)) {
            wire.stalled += 1;
            return;
        }
        let Some(piece) = wire.pieces.pop_front() else { return };
        let (client, connection) = (pipe.client, pipe.connection);
        if to_server {
            self.tell_server(
                index,
                match piece {
                    Piece::Bytes(bytes) => server::Input::Received(BytesMut::from(&bytes[..])),
                    Piece::End => server::Input::Lost,
                },
            );
        } else if self.clients[client].pipes.get(&connection) == Some(&index) {
            match piece {
                Piece::Bytes(bytes) => {
                    let bytes = BytesMut::from(&bytes[..]);
                    self.tell_client(client, client::Input::Received { connection, bytes });
                }
                Piece::End => {
                    self.clients[client].pipes.remove(&connection);
                    self.tell_client(client, client::Input::Closed { connection });
                }
            }
        }
    }
}
