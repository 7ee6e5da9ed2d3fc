//! The table of `ubf trace`: five columns that fit the width there is. A cell that is too wide
//! takes more lines, within reason.

use ubf_codec::StackItem;

use crate::packets::steps::Scene;
use crate::ui::brief::brief;
use crate::ui::excerpt::cell;
use crate::ui::palette::Palette;
use crate::ui::text::{byte_name, columns, prefix, shorten};

/// Columns between two columns.
const GAP: usize = 2;
/// Lines that the stack and the registers may take.
const MAX_LINES: usize = 2;
const HEADS: [&str; 5] = ["byte", "bytes", "what it does", "stack, bottom first", "registers"];
/// What each column takes when there is plenty of room.
const MOST: [usize; 5] = [20, 20, 64, 64, 40];
/// What each column keeps when there is less, little, and hardly any room. Words are the first to
/// be broken into lines.
const LEAST: [[usize; 5]; 3] = [[4, 8, 27, 64, 20], [4, 8, 22, 24, 9], [4, 5, 11, 10, 5]];

/// The widths of the five columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout([usize; 5]);

impl Layout {
    /// The widths that the heads need.
    pub(crate) fn new() -> Self {
        Self(HEADS.map(str::len))
    }

    /// Takes a row into account.
    pub(crate) fn measure(&mut self, scene: &Scene<'_>) {
        for (width, lines) in self.0.iter_mut().zip(cells(scene, MOST)) {
            let widest = lines.iter().map(|line| columns(line)).max();
            *width = (*width).max(widest.unwrap_or(0));
        }
    }

    /// Makes the columns narrow enough for `width`, as far as that is possible.
    pub(crate) fn fit(mut self, width: usize) -> Self {
        for least in LEAST {
            while self.0.iter().sum::<usize>() + GAP * (HEADS.len() - 1) > width {
                // The column that has the most to spare gives way, but never the offsets.
                let spare = self
                    .0
                    .iter_mut()
                    .zip(least)
                    .skip(1)
                    .max_by_key(|(width, least)| width.saturating_sub(*least));
                match spare {
                    Some((width, least)) if *width > least => *width -= 1,
                    _ => break,
                }
            }
        }
        self
    }

    /// The line above the rows.
    pub(crate) fn head(self, palette: Palette) -> String {
        let Palette { strong, .. } = palette;
        let mut line = String::new();
        for (index, (head, width)) in HEADS.into_iter().zip(self.0).enumerate() {
            line.push_str(&padded(&shorten(head, width), width, index == 0));
        }
        format!("{strong}{}{strong:#}", line.trim_end())
    }

    /// The lines of a step.
    pub(crate) fn row(self, scene: &Scene<'_>, palette: Palette) -> String {
        let Palette { faint, wire, .. } = palette;
        let cells = cells(scene, self.0);
        let height = cells.iter().map(Vec::len).max().unwrap_or(1).max(1);
        let mut lines = Vec::new();
        for line_index in 0..height {
            let mut line = String::new();
            for (index, (cell, width)) in cells.iter().zip(self.0).enumerate() {
                let text = cell.get(line_index).map_or("", String::as_str);
                let text = padded(text, width, index == 0);
                match index {
                    0 => line.push_str(&format!("{faint}{text}{faint:#}")),
                    1 => line.push_str(&format!("{wire}{text}{wire:#}")),
                    _ => line.push_str(&text),
                }
            }
            lines.push(line.trim_end().to_owned());
        }
        lines.join("\n")
    }
}

/// `text` and the white space up to the next column.
fn padded(text: &str, width: usize, to_the_right: bool) -> String {
    let padding = " ".repeat(width.saturating_sub(columns(text)));
    let gap = " ".repeat(GAP);
    if to_the_right { format!("{padding}{text}{gap}") } else { format!("{text}{padding}{gap}") }
}

/// The cells of a step in lines, none wider than its column.
fn cells(scene: &Scene<'_>, widths: [usize; 5]) -> [Vec<String>; 5] {
    let [_, bytes, words, stack, registers] = widths;
    [
        vec![scene.offset.to_string()],
        vec![cell(scene.bytes, bytes)],
        wrapped(
            scene.words().split(' ').map(|word| shorten(word, words).into_owned()).collect(),
            words,
        ),
        stack_lines(&scene.stack, stack),
        register_lines(scene, registers),
    ]
}

/// The stack, its top last. What does not fit is left out at the bottom.
fn stack_lines(stack: &[StackItem<'_>], width: usize) -> Vec<String> {
    let mut items = Vec::new();
    let mut room = MAX_LINES * (width + 1);
    for item in stack.iter().rev() {
        let text = match item {
            StackItem::OpenTuple => "{".to_owned(),
            StackItem::Term(term) => brief(*term, width),
        };
        let Some(left) = room.checked_sub(columns(&text) + 1) else { break };
        room = left;
        items.push(text);
    }
    items.reverse();
    let mut is_cut = items.len() < stack.len();
    loop {
        let mut shown = items.clone();
        if is_cut {
            shown.insert(0, "…".to_owned());
        }
        let lines = wrapped(shown, width);
        if lines.len() <= MAX_LINES || items.is_empty() {
            return lines;
        }
        items.remove(0);
        is_cut = true;
    }
}

/// The registers, the one that the step uses first if there is not room for all.
fn register_lines(scene: &Scene<'_>, width: usize) -> Vec<String> {
    let show = |registers: &mut dyn Iterator<Item = &(u8, ubf_codec::TermRef<'_>)>| {
        let items = registers.map(|(register, term)| {
            let name = byte_name(*register);
            let room = width.saturating_sub(columns(&name) + 1);
            format!("{name}={}", brief(*term, room))
        });
        wrapped(items.collect(), width)
    };
    // More could not be shown.
    let most = MAX_LINES * width;
    let mut lines = show(&mut scene.registers.iter().take(most));
    if lines.len() > MAX_LINES {
        let (used, others): (Vec<_>, Vec<_>) = scene
            .registers
            .iter()
            .partition(|(register, _)| Some(*register) == scene.used_register());
        lines = show(&mut used.into_iter().chain(others).take(most));
        lines.truncate(MAX_LINES);
        if let Some(last) = lines.last_mut() {
            *last = format!("{}…", prefix(last, width.saturating_sub(1)));
        }
    }
    lines
}

/// Items in lines of at most `width` columns, with a space between.
fn wrapped(items: Vec<String>, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for item in items {
        match lines.last_mut() {
            Some(line) if columns(line) + 1 + columns(&item) <= width => {
                line.push(' ');
                line.push_str(&item);
            }
            _ => lines.push(item),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_way_only_where_it_must() {
        let wide = Layout([4, 8, 50, 60, 9]);
        assert_eq!(wide.fit(200), wide);
        let fitted = wide.fit(100).0;
        assert_eq!(fitted.iter().sum::<usize>() + 8, 100);
        assert_eq!((fitted[0], fitted[1], fitted[4]), (4, 8, 9));
        assert_eq!(wide.fit(75).0, LEAST[1]);
        assert_eq!(wide.fit(10).0, LEAST[2]);
    }

    #[test]
    fn shows_the_top_of_a_stack_that_is_too_high() {
        let items: Vec<ubf_codec::Term> = (0..1000).map(ubf_codec::Term::from).collect();
        let stack: Vec<StackItem<'_>> =
            items.iter().map(|term| StackItem::Term(term.as_ref())).collect();
        assert_eq!(stack_lines(&stack, 11), ["… 995 996", "997 998 999"]);
        assert_eq!(stack_lines(&stack[..3], 11), ["0 1 2"]);
        assert_eq!(stack_lines(&[], 11), [""; 0]);
    }
}
