//! Arguments of the commands that read and write packets.

use std::path::PathBuf;

use clap::{ArgGroup, Args};
use ubf_codec::{Dialect, Limits, Style};

use super::units::{bytes_u32, bytes_u64};
use crate::packets::side::Side;
use crate::packets::writer::PacketForm;

/// What is read.
#[derive(Debug, Args)]
pub(crate) struct InputArgs {
    /// Files to read; `-` is stdin, and so is no file at all
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,

    /// The input is hex digits. White space between them is ignored, a packet may span lines
    #[arg(long)]
    pub(crate) hex: bool,
}

/// Whether packets have headers, and whose.
#[derive(Debug, Args)]
// W7: a versioned packet is always in the extended dialect.
#[command(group = ArgGroup::new("side").args(["client", "server"]).conflicts_with_all(["classic", "any_escape"]))]
pub(crate) struct SideArgs {
    /// Versioned packets from a client: a version before each body, as in `10 {…}$`
    #[arg(long)]
    pub(crate) client: bool,

    /// Versioned packets from a server: a version and the NextIP before each body, as in `10 ?
    /// {…}$`
    #[arg(long)]
    pub(crate) server: bool,
}

impl SideArgs {
    pub(crate) const fn side(&self) -> Option<Side> {
        match (self.client, self.server) {
            (true, _) => Some(Side::Client),
            (_, true) => Some(Side::Server),
            _ => None,
        }
    }
}

/// How the input is read.
#[derive(Debug, Args)]
pub(crate) struct DialectArgs {
    /// Read classic UBF(A), where `?` is a register like any other. Erlang's encoder uses it
    #[arg(long)]
    pub(crate) classic: bool,

    /// Read `\` and any byte as that byte, as Erlang's and Java's decoders do
    #[arg(long)]
    pub(crate) any_escape: bool,
}

impl DialectArgs {
    pub(crate) const fn dialect(&self) -> Dialect {
        if self.classic { Dialect::Classic } else { Dialect::Extended }
    }
}

/// How packets are written.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("style").args(["cached", "pretty"]))]
pub(crate) struct PacketArgs {
    /// Put what comes twice into registers, where that saves bytes
    #[arg(long)]
    cached: bool,

    /// Write white space and line breaks for people
    #[arg(long)]
    pretty: bool,

    /// Write classic UBF(A), for peers that know nothing of the `?` value: it is written as
    /// 'undefined'
    #[arg(long)]
    classic: bool,

    /// Write hex digits instead of the bytes
    #[arg(long)]
    hex: bool,

    /// Write nothing between packets
    ///
    /// Without this, a newline follows each packet. That is legal: white space may stand before
    /// any packet.
    #[arg(long)]
    no_newline: bool,
}

impl PacketArgs {
    pub(crate) const fn form(&self) -> PacketForm {
        PacketForm {
            dialect: if self.classic { Dialect::Classic } else { Dialect::Extended },
            style: match (self.cached, self.pretty) {
                (true, _) => Style::Cached,
                (_, true) => Style::Pretty,
                _ => Style::Plain,
            },
            is_hex: self.hex,
            ends_lines: !self.no_newline,
        }
    }
}

/// What a packet may cost.
#[derive(Debug, Args)]
#[command(next_help_heading = "Limits of one packet")]
pub(crate) struct LimitArgs {
    /// Most bytes of a packet. KiB, MiB and GiB may follow the number
    #[arg(long, value_name = "BYTES", value_parser = bytes_u32, default_value = "16MiB", hide_short_help = true)]
    max_packet_bytes: u32,

    /// Most tuples, lists and tags one in another
    #[arg(long, value_name = "LEVELS", default_value_t = DEFAULTS.max_depth, hide_short_help = true)]
    max_depth: u32,

    /// Most terms, where each use of a register counts again
    #[arg(long, value_name = "NODES", default_value_t = DEFAULTS.max_expanded_nodes, hide_short_help = true)]
    max_expanded_nodes: u64,

    /// Most bytes of text and binaries, where each use of a register counts again
    #[arg(long, value_name = "BYTES", value_parser = bytes_u64, default_value = "64MiB", hide_short_help = true)]
    max_expanded_bytes: u64,

    /// Most digits of an integer
    #[arg(long, value_name = "DIGITS", default_value_t = DEFAULTS.max_integer_digits, hide_short_help = true)]
    max_integer_digits: u32,

    /// Most bytes of a semantic tag
    #[arg(long, value_name = "BYTES", value_parser = bytes_u32, default_value = "255", hide_short_help = true)]
    max_tag_bytes: u32,

    /// Most bytes of a NextIP
    #[arg(long, value_name = "BYTES", value_parser = bytes_u32, default_value = "1KiB", hide_short_help = true)]
    max_next_ip_bytes: u32,

    /// Most addresses in a NextIP
    #[arg(long, value_name = "COUNT", default_value_t = DEFAULTS.max_next_ip_addresses, hide_short_help = true)]
    max_next_ip_addresses: u32,
}

const DEFAULTS: Limits = Limits::new();

impl LimitArgs {
    pub(crate) const fn limits(&self) -> Limits {
        Limits::new()
            .with_max_packet_bytes(self.max_packet_bytes)
            .with_max_depth(self.max_depth)
            .with_max_expanded_nodes(self.max_expanded_nodes)
            .with_max_expanded_bytes(self.max_expanded_bytes)
            .with_max_integer_digits(self.max_integer_digits)
            .with_max_tag_bytes(self.max_tag_bytes)
            .with_max_next_ip_bytes(self.max_next_ip_bytes)
            .with_max_next_ip_addresses(self.max_next_ip_addresses)
    }
}
