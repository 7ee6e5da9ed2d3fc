//! Connections that break, in each of the ways in which they do.

use ubf_proto::client::{self, ConnectionId};
use ubf_proto::server;

use super::{Event, Piece, World, log};

/// Who learns of it, and what still arrives.
#[derive(Clone, Copy, Debug)]
enum Cut {
    /// Both ends at once; what is on its way is lost.
    Clean,
    /// The client at once. What it has sent arrives, up to some byte, perhaps after it has gone on
    /// elsewhere; then the server learns of it.
    ClientFirst,
    /// The server at once, and the client when it has read what was on its way, up to some byte.
    ServerFirst,
    /// The client at once, and the server never: nothing comes any more.
    HalfOpen,
    /// Nobody, for a while.
    Silent,
}

impl World {
    /// Breaks a client's connections.
    pub(super) fn sever(&mut self, client: usize) {
        let pipes: Vec<(ConnectionId, usize)> =
            self.clients[client].pipes.iter().map(|(&id, &pipe)| (id, pipe)).collect();
        for (connection, pipe) in pipes {
            let cut = match self.random.below(8) {
                0 | 1 => Cut::Clean,
                2..5 => Cut::ClientFirst,
                5 => Cut::ServerFirst,
                6 => Cut::HalfOpen,
                _ => Cut::Silent,
            };
            log!(self, "connection {} of client {client} breaks: {cut:?}", connection.0);
            if self.random.below(2) == 0 {
                self.speak_soon(pipe);
            }
            match cut {
                Cut::Clean => {
                    self.pipes[pipe].is_dead = true;
                    self.tell_server(pipe, server::Input::Lost);
                    self.lose(client, connection);
                }
                Cut::ClientFirst => {
                    self.shorten(pipe, true);
                    // Much later than any resume, or soon.
                    let longest = if self.random.below(2) == 0 { 50 } else { 5_000 };
                    let at = self.now + self.random.below(longest);
                    self.delay(pipe, at);
                    self.lose(client, connection);
                    self.at(at + 100, Event::Bury { pipe });
                }
                Cut::ServerFirst => {
                    self.shorten(pipe, false);
                    self.tell_server(pipe, server::Input::Lost);
                }
                Cut::HalfOpen => {
                    self.pipes[pipe].is_dead = true;
                    self.lose(client, connection);
                }
                Cut::Silent => self.pipes[pipe].is_dead = true,
            }
        }
    }

    fn lose(&mut self, client: usize, connection: ConnectionId) {
        self.clients[client].pipes.remove(&connection);
        self.tell_client(client, client::Input::Closed { connection });
    }

    /// Of what is on its way only so much arrives: any number of whole pieces, and some bytes of
    /// the next one.
    fn shorten(&mut self, pipe: usize, to_server: bool) {
        let pieces = match to_server {
            true => self.pipes[pipe].to_server.pieces.len(),
            false => self.pipes[pipe].to_client.pieces.len(),
        };
        let kept = self.random.below(pieces as u64 + 1) as usize;
        let share = self.random.next_u64();
        let pipe = &mut self.pipes[pipe];
        let wire = if to_server { &mut pipe.to_server } else { &mut pipe.to_client };
        if let Some(Piece::Bytes(bytes)) = wire.pieces.get_mut(kept) {
            bytes.truncate((share % (bytes.len() as u64 + 1)) as usize);
            wire.pieces.truncate(kept + 1);
        }
    }

    /// What is on its way to the server arrives no earlier.
    fn delay(&mut self, pipe: usize, at: u64) {
        let pieces = self.pipes[pipe].to_server.pieces.len() as u32;
        if self.now < at {
            self.pipes[pipe].late_until = at;
            for _ in 0..pieces {
                self.at(at, Event::Flow { pipe, to_server: true });
            }
        }
    }

    /// The server learns that a connection is gone.
    pub(super) fn bury(&mut self, pipe: usize) {
        self.pipes[pipe].is_dead = true;
        self.tell_server(pipe, server::Input::Lost);
    }
}
