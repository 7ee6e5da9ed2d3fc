//! `ubf trace`: packets operator by operator, as a lesson.

use std::io;

use ubf_codec::json::Json;
use ubf_codec::{Operator, StackItem, Tracer};

use crate::args::Trace;
use crate::commands::inputs::{each_input, reading};
use crate::packets::hints::Reading;
use crate::packets::input::{self, Input};
use crate::packets::steps::{Scene, is_worth_a_row};
use crate::packets::stream::{PacketStream, Trouble};
use crate::packets::table::Layout;
use crate::ui::brief::brief;
use crate::ui::json::{Array, Text};
use crate::ui::output::Output;
use crate::ui::palette::Palette;
use crate::ui::status::Status;
use crate::ui::text::{byte_name, counted, escaped};

/// The packet that is traced when there is nothing else.
const LESSON: &[u8] = include_bytes!("../../examples/lesson.ubf");

/// Rows that decide how wide the columns are.
const MEASURED_ROWS: u64 = 1000;
/// Lines that a packet's term may take below its table.
const TERM_LINES: usize = 4;

const INTRODUCTION: &str = "\
A UBF packet is a program for a small machine. Each operator pushes a term on
the machine's stack, or works on the terms that are there. The term that is
left at the $ is what the packet says. This one makes a list of two tuples, and
keeps an atom in a register to write it only once:
";

pub(crate) fn run(args: &Trace, output: &mut Output) -> io::Result<Status> {
    let reading = reading(None, &args.dialect, &args.limits, &args.input);
    let mut tracing = Tracing::new(args, reading, output);
    let status = if args.example || (args.input.files.is_empty() && input::stdin_is_terminal()) {
        if !args.json {
            let Palette { wire, .. } = output.palette();
            let lesson = String::from_utf8_lossy(LESSON);
            output.line(format_args!("{INTRODUCTION}\n  {wire}{}{wire:#}\n", lesson.trim_end()))?;
        }
        let input = Input::new("the example".to_owned(), Box::new(LESSON), false);
        tracing
            .input(input, output)
            .map_or_else(|trouble| super::inputs::report(trouble, "the example", output), Ok)?
    } else {
        each_input(&args.input.files, args.input.hex, output, |input, output| {
            tracing.input(input, output)
        })?
    };
    tracing.finish(output)?;
    Ok(status)
}

/// A trace of all inputs.
struct Tracing<'a> {
    args: &'a Trace,
    reading: Reading,
    width: usize,
    rows: u64,
    left_out: u64,
    tables: u64,
}

/// A packet, and where it comes from.
#[derive(Clone, Copy)]
struct Subject<'a> {
    input_name: &'a str,
    /// Which packet of the input, counted from 1.
    number: u64,
    bytes: &'a [u8],
    /// Offset in the input of its first byte.
    start: u64,
}

impl<'a> Tracing<'a> {
    fn new(args: &'a Trace, reading: Reading, output: &Output) -> Self {
        Self {
            args,
            reading,
            width: args.width.map_or_else(|| output.columns(), usize::from),
            rows: 0,
            left_out: 0,
            tables: 0,
        }
    }

    fn input(&mut self, input: Input, output: &mut Output) -> Result<Status, Trouble> {
        let mut packets = PacketStream::new(input, self.reading);
        for number in 1.. {
            match packets.next(output) {
                Ok(Some(packet)) => {
                    let (bytes, start) = (packet.document.source(), packet.start);
                    self.packet(
                        Subject { input_name: packets.name(), number, bytes, start },
                        output,
                    )?;
                    packets.recycle(packet);
                }
                Ok(None) => break,
                Err(Trouble::Wrong(wrong)) => {
                    let (bytes, start) = (packets.rest(), wrong.start);
                    self.packet(
                        Subject { input_name: packets.name(), number, bytes, start },
                        output,
                    )?;
                    output.report(&wrong.full(packets.name()))?;
                    return Ok(Status::WrongInput);
                }
                Err(other) => return Err(other),
            }
        }
        Ok(Status::Good)
    }

    /// Traces one packet up to its `$`, or to the first error, which is reported elsewhere.
    fn packet(&mut self, packet: Subject<'_>, output: &mut Output) -> io::Result<()> {
        let limit = if self.args.limit == 0 { u64::MAX } else { self.args.limit };
        let room = limit.saturating_sub(self.rows);
        let counted = if self.args.json {
            each_scene(packet, self.reading, room, |scene| output.line(json(scene, packet)))?
        } else if room == 0 {
            each_scene(packet, self.reading, 0, |_| Ok(()))?
        } else {
            self.table(packet, room, output)?
        };
        self.rows += counted.min(room);
        self.left_out += counted.saturating_sub(room);
        Ok(())
    }

    /// Shows at most `room` rows, and says how many there are.
    fn table(&mut self, packet: Subject<'_>, room: u64, output: &mut Output) -> io::Result<u64> {
        let mut layout = Layout::new();
        each_scene(packet, self.reading, room.min(MEASURED_ROWS), |scene| {
            layout.measure(scene);
            Ok(())
        })?;
        let layout = layout.fit(self.width);
        let palette = output.palette();
        self.tables += 1;
        if self.tables > 1 {
            let Palette { strong, .. } = palette;
            let Subject { input_name, number, start, .. } = packet;
            output.line(format_args!(
                "\n{strong}{input_name}: packet {number}, from byte {start}{strong:#}\n"
            ))?;
        }
        output.line(layout.head(palette))?;
        each_scene(packet, self.reading, room, |scene| {
            output.line(layout.row(scene, palette))?;
            match scene.stack.last() {
                Some(StackItem::Term(term)) if scene.step.operator == Operator::End => {
                    output.line(format_args!("\nterm: {}", brief(*term, TERM_LINES * self.width)))
                }
                _ => Ok(()),
            }
        })
    }

    /// Says what was left out.
    fn finish(&self, output: &mut Output) -> io::Result<()> {
        if self.left_out == 0 {
            return Ok(());
        }
        if self.args.json {
            return output.line(format_args!("{{\"left_out\":{}}}", self.left_out));
        }
        let Palette { faint, .. } = output.palette();
        let left_out = counted(self.left_out, "more operator");
        output.line(format_args!("{faint}… {left_out}; --limit 0 shows all{faint:#}"))
    }
}

/// Carries out `packet` and gives the first `room` operators to `show`. Says how many operators
/// there are.
fn each_scene(
    packet: Subject<'_>,
    reading: Reading,
    room: u64,
    mut show: impl FnMut(&Scene<'_>) -> io::Result<()>,
) -> io::Result<u64> {
    let mut tracer = Tracer::new(packet.bytes, reading.dialect, reading.limits)
        .with_any_escape(reading.any_escape);
    let mut count = 0;
    // The error, if there is one, has been found by the decoder before, with its true offset.
    while let Ok(Some(step)) = tracer.step() {
        let bytes = packet.bytes.get(step.start..step.end).unwrap_or_default();
        if !is_worth_a_row(step.operator, bytes) {
            continue;
        }
        count += 1;
        if count <= room {
            show(&Scene {
                step,
                offset: packet.start + step.start as u64,
                bytes,
                stack: tracer.stack(),
                registers: tracer.registers(),
            })?;
        }
    }
    Ok(count)
}

/// A row for programs.
fn json(scene: &Scene<'_>, packet: Subject<'_>) -> String {
    let stack: Vec<String> = scene
        .stack
        .iter()
        .map(|item| match item {
            StackItem::Term(term) => format!(r#"{{"term":{}}}"#, Json(*term)),
            StackItem::OpenTuple => r#"{"open":"tuple"}"#.to_owned(),
        })
        .collect();
    let registers: Vec<String> = scene
        .registers
        .iter()
        .map(|(byte, term)| {
            format!(
                r#"{{"name":{},"byte":{byte},"term":{}}}"#,
                Text(&byte_name(*byte)),
                Json(*term)
            )
        })
        .collect();
    format!(
        r#"{{"input":{},"packet":{},"offset":{},"operator":{},"bytes":{},"hex":{},"does":{},"stack":{},"registers":{}}}"#,
        Text(packet.input_name),
        packet.number,
        scene.offset,
        Text(scene.operator_name()),
        Text(&escaped(scene.bytes)),
        Text(&hex::encode(scene.bytes)),
        Text(&scene.words()),
        Array(&stack),
        Array(&registers),
    )
}
