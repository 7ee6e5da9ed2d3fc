//! The rules one by one: literal bytes in, literal bytes out.

mod at_once;
mod client;
mod client_end;
mod edges;
mod limits;
mod live;
mod opening;
mod owned;
mod server;
mod server_end;
mod session_client;
mod sessions;
mod travel;
mod words;
