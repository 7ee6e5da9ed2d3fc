//! `ubf check`: is the input valid, and if not, where and why.

use std::io;

use serde::Serialize;
use ubf_codec::Summary;

use crate::args::Check;
use crate::commands::inputs::{each_input, reading};
use crate::packets::stream::{PacketStream, Trouble, WrongPacket};
use crate::ui::output::Output;
use crate::ui::palette::Palette;
use crate::ui::status::Status;
use crate::ui::text::{counted, thousands};

pub(crate) fn run(args: &Check, output: &mut Output) -> io::Result<Status> {
    let reading = reading(args.side.side(), &args.dialect, &args.limits, &args.input);
    each_input(&args.input.files, args.input.hex, output, |input, output| {
        let mut packets = PacketStream::new(input, reading);
        let mut statistics = Statistics::default();
        let wrong = loop {
            match packets.next(output) {
                Ok(Some(packet)) => {
                    statistics.add(packet.document.summary());
                    packets.recycle(packet);
                }
                Ok(None) => break None,
                Err(Trouble::Wrong(wrong)) => break Some(wrong),
                Err(other) => return Err(other),
            }
        };
        if args.json {
            output.line(json(packets.name(), &statistics, wrong.as_deref()))?;
        } else {
            show(packets.name(), &statistics, wrong.as_deref(), args.verbose, output)?;
        }
        Ok(if wrong.is_none() { Status::Good } else { Status::WrongInput })
    })
}

fn show(
    name: &str,
    statistics: &Statistics,
    wrong: Option<&WrongPacket>,
    verbose: bool,
    output: &mut Output,
) -> io::Result<()> {
    let Palette { good, .. } = output.palette();
    let packets = counted(statistics.packets, "packet");
    match wrong {
        None => {
            output.line(format_args!("{name}: {good}valid{good:#}, {packets}"))?;
        }
        Some(wrong) => {
            output.report(&wrong.full(name))?;
            if verbose {
                output.line(format_args!("{name}: {packets} before the error"))?;
            }
        }
    }
    if verbose && statistics.packets > 0 {
        statistics.show(output)?;
    }
    Ok(())
}

/// What the packets of an input hold.
#[derive(Default)]
struct Statistics {
    packets: u64,
    total: Total,
    most: Most,
}

/// In all packets of an input.
#[derive(Default, Serialize)]
struct Total {
    bytes: u64,
    nodes: u64,
    expanded_nodes: u64,
    expanded_bytes: u64,
    registers: u64,
}

/// In that packet of an input that has the most: what limits would have to allow.
#[derive(Default, Serialize)]
struct Most {
    bytes: u64,
    nodes: u64,
    expanded_nodes: u64,
    expanded_bytes: u64,
    registers: u32,
    depth: u32,
}

impl Statistics {
    fn add(&mut self, packet: Summary) {
        self.packets += 1;
        let Self { total, most, .. } = self;
        total.bytes += packet.packet_bytes;
        total.nodes += packet.nodes;
        // These may be many times the bytes, if the limits allow it.
        total.expanded_nodes = total.expanded_nodes.saturating_add(packet.expanded_nodes);
        total.expanded_bytes = total.expanded_bytes.saturating_add(packet.expanded_bytes);
        total.registers += u64::from(packet.registers);
        most.bytes = most.bytes.max(packet.packet_bytes);
        most.nodes = most.nodes.max(packet.nodes);
        most.expanded_nodes = most.expanded_nodes.max(packet.expanded_nodes);
        most.expanded_bytes = most.expanded_bytes.max(packet.expanded_bytes);
        most.registers = most.registers.max(packet.registers);
        most.depth = most.depth.max(packet.depth);
    }

    fn show(&self, output: &mut Output) -> io::Result<()> {
        let Palette { strong, .. } = output.palette();
        let Self { total, most, .. } = self;
        output.line(format_args!(
            "{strong}{:<16}{:>15}{:>19}{strong:#}",
            "", "in all", "most in a packet"
        ))?;
        for (name, total, most) in [
            ("bytes", Some(total.bytes), most.bytes),
            ("nodes", Some(total.nodes), most.nodes),
            ("expanded nodes", Some(total.expanded_nodes), most.expanded_nodes),
            ("expanded bytes", Some(total.expanded_bytes), most.expanded_bytes),
            ("registers", Some(total.registers), u64::from(most.registers)),
            ("depth", None, u64::from(most.depth)),
        ] {
            let total = total.map_or_else(String::new, thousands);
            output.line(format_args!("  {name:<14}{total:>15}{:>19}", thousands(most)))?;
        }
        Ok(())
    }
}

/// The result for programs.
fn json(name: &str, statistics: &Statistics, wrong: Option<&WrongPacket>) -> String {
    #[derive(Serialize)]
    struct Verdict<'a> {
        input: &'a str,
        valid: bool,
        packets: u64,
        total: &'a Total,
        most: &'a Most,
        error: Option<Error<'a>>,
    }
    #[derive(Serialize)]
    struct Error<'a> {
        message: String,
        code: &'a str,
        rule: &'a str,
        offset: u64,
        expected: &'a str,
        packet: u64,
        packet_offset: u64,
        excerpt: &'a str,
        caret: usize,
        hint: Option<&'a str>,
    }
    let verdict = Verdict {
        input: name,
        valid: wrong.is_none(),
        packets: statistics.packets,
        total: &statistics.total,
        most: &statistics.most,
        error: wrong.map(|wrong| Error {
            message: wrong.error.kind().to_string(),
            code: wrong.error.kind().code(),
            rule: wrong.error.kind().rule(),
            offset: wrong.error.offset(),
            expected: wrong.error.kind().expected(),
            packet: wrong.packet,
            packet_offset: wrong.start,
            excerpt: &wrong.excerpt.line,
            caret: wrong.excerpt.caret,
            hint: wrong.hint.as_deref(),
        }),
    };
    // Strings and numbers alone: this cannot fail.
    serde_json::to_string(&verdict).unwrap_or_default()
}
