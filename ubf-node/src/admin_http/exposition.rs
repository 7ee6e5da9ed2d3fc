//! Text in the format of OpenMetrics 1.0: families, samples, labels.

use std::fmt::{Display, Write as _};

/// What a family measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A number that goes up and down.
    Gauge,
    /// A number that only grows, until the process ends.
    Counter,
    /// Facts that do not change.
    Info,
    /// One of several states: 1 is the one that is.
    StateSet,
    /// How many things were how large.
    Histogram,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Gauge => "gauge",
            Self::Counter => "counter",
            Self::Info => "info",
            Self::StateSet => "stateset",
            Self::Histogram => "histogram",
        }
    }

    /// What the name of a sample ends with.
    const fn suffix(self) -> &'static str {
        match self {
            Self::Counter => "_total",
            Self::Info => "_info",
            Self::Gauge | Self::StateSet | Self::Histogram => "",
        }
    }
}

/// Names and values of labels.
pub(super) type Labels<'l> = [(&'l str, &'l str)];

/// One of those that a bucket counts. The format allows 128 characters for its labels.
#[derive(Clone, Debug)]
pub(super) struct Exemplar {
    pub(super) labels: Vec<(&'static str, String)>,
    pub(super) value: f64,
    pub(super) since_1970: f64,
}

/// A text that grows by families. A family is written whole before the next one begins.
#[derive(Debug, Default)]
pub(super) struct Exposition(String);

impl Exposition {
    /// Begins a family. A unit is a part of its name: `ubf_call_seconds`.
    pub(super) fn family(&mut self, name: &str, kind: Kind, help: &str) -> Family<'_> {
        self.line(format_args!("# HELP {name} {}", escaped(help)));
        self.line(format_args!("# TYPE {name} {}", kind.as_str()));
        if let Some(unit) = unit(name) {
            self.line(format_args!("# UNIT {name} {unit}"));
        }
        Family { text: &mut self.0, name: name.into(), kind }
    }

    /// A family of one sample.
    pub(super) fn single(&mut self, name: &str, kind: Kind, help: &str, value: impl Display) {
        self.family(name, kind, help).sample(&[], value);
    }

    /// The text with its last line.
    pub(super) fn finish(mut self) -> String {
        self.0.push_str("# EOF\n");
        self.0
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // To write to a string does not fail.
        let _is_written = writeln!(self.0, "{line}").is_ok();
    }
}

/// The unit that a name ends with.
fn unit(name: &str) -> Option<&'static str> {
    ["seconds", "bytes"]
        .into_iter()
        .find(|unit| name.strip_suffix(unit).is_some_and(|before| before.ends_with('_')))
}

/// A family of samples.
#[derive(Debug)]
pub(super) struct Family<'t> {
    text: &'t mut String,
    name: String,
    kind: Kind,
}

impl Family<'_> {
    pub(super) fn sample(&mut self, labels: &Labels<'_>, value: impl Display) {
        self.write(self.kind.suffix(), labels, None, value);
    }

    /// The state that is, among all, of what has these labels.
    pub(super) fn states(&mut self, labels: &Labels<'_>, states: &[&str], is: &str) {
        let name = self.name.clone();
        for state in states {
            self.write(self.kind.suffix(), labels, Some((&name, state)), u8::from(*state == is));
        }
    }

    /// A histogram: how many are at most as large as each bound, in growing order, and how many are
    /// larger than all; and the sum of all. Each may have an exemplar.
    pub(super) fn histogram(
        &mut self,
        labels: &Labels<'_>,
        bounds: impl Iterator<Item = f64>,
        counts: impl Iterator<Item = (u64, Option<Exemplar>)>,
        sum: f64,
    ) {
        let mut count = 0;
        let bounds = bounds.map(|bound| format!("{bound:?}")).chain(["+Inf".to_owned()]);
        for (bound, (more, exemplar)) in bounds.zip(counts) {
            count += more;
            self.write("_bucket", labels, Some(("le", &bound)), count);
            if let Some(exemplar) = exemplar {
                self.exemplar(&exemplar);
            }
        }
        self.write("_count", labels, None, count);
        self.write("_sum", labels, None, sum);
    }

    /// Adds an exemplar to the sample before.
    fn exemplar(&mut self, Exemplar { labels, value, since_1970 }: &Exemplar) {
        self.text.truncate(self.text.trim_end_matches('\n').len());
        self.text.push_str(" # ");
        let mut begin = '{';
        for (name, value) in labels {
            self.text.push(begin);
            begin = ',';
            let _is_written = write!(self.text, "{name}=\"{}\"", escaped(value)).is_ok();
        }
        let _is_written = writeln!(self.text, "}} {value:?} {since_1970:.3}").is_ok();
    }

    fn write(
        &mut self,
        suffix: &str,
        labels: &Labels<'_>,
        last: Option<(&str, &str)>,
        value: impl Display,
    ) {
        self.text.push_str(&self.name);
        self.text.push_str(suffix);
        let mut begin = '{';
        for (name, value) in labels.iter().copied().chain(last) {
            self.text.push(begin);
            begin = ',';
            let _is_written = write!(self.text, "{name}=\"{}\"", escaped(value)).is_ok();
        }
        if begin == ',' {
            self.text.push('}');
        }
        let _is_written = writeln!(self.text, " {value}").is_ok();
    }
}

/// What a peer says of itself is a text like others: it ends no line and no label.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_is_written_as_openmetrics_has_it() {
        let labels = vec![("session", "0a\"1b".to_owned()), ("connection", "7".to_owned())];
        let exemplar = Exemplar { labels, value: 0.07, since_1970: 1_796_000_000.25 };
        let mut text = Exposition::default();
        text.family("ubf_server", Kind::Info, "This server.").sample(&[("agent", "x/1")], 1);
        text.family("ubf_phase", Kind::StateSet, "Its phase.").states(
            &[("node", "a")],
            &["serving", "draining"],
            "serving",
        );
        text.family("ubf_call_seconds", Kind::Histogram, "Times.").histogram(
            &[("service", "kv")],
            [0.1, 1.0].into_iter(),
            [(2, Some(exemplar)), (0, None), (1, None)].into_iter(),
            3.5,
        );
        text.single("ubf_refused", Kind::Counter, "Refused.", 7);
        assert_eq!(
            text.finish(),
            "# HELP ubf_server This server.\n# TYPE ubf_server info\n\
             ubf_server_info{agent=\"x/1\"} 1\n\
             # HELP ubf_phase Its phase.\n# TYPE ubf_phase stateset\n\
             ubf_phase{node=\"a\",ubf_phase=\"serving\"} 1\n\
             ubf_phase{node=\"a\",ubf_phase=\"draining\"} 0\n\
             # HELP ubf_call_seconds Times.\n# TYPE ubf_call_seconds histogram\n\
             # UNIT ubf_call_seconds seconds\n\
             ubf_call_seconds_bucket{service=\"kv\",le=\"0.1\"} 2 # {session=\"0a\\\"1b\",connection=\"7\"} 0.07 1796000000.250\n\
             ubf_call_seconds_bucket{service=\"kv\",le=\"1.0\"} 2\n\
             ubf_call_seconds_bucket{service=\"kv\",le=\"+Inf\"} 3\n\
             ubf_call_seconds_count{service=\"kv\"} 3\n\
             ubf_call_seconds_sum{service=\"kv\"} 3.5\n\
             # HELP ubf_refused Refused.\n# TYPE ubf_refused counter\n\
             ubf_refused_total 7\n# EOF\n"
        );
    }

    #[test]
    fn nothing_that_a_peer_says_ends_its_label() {
        let mut text = Exposition::default();
        text.family("ubf_agents", Kind::Gauge, "Agents.")
            .sample(&[("agent", "a\"} 7\nforged{b=\"\\")], 1);
        let text = text.finish();
        assert!(text.contains("ubf_agents{agent=\"a\\\"} 7\\nforged{b=\\\"\\\\\"} 1\n"), "{text}");
        assert_eq!(text.lines().count(), 4);
    }
}
