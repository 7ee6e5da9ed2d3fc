//! A plain server: it keeps the rules, executes at once, and answers when it is told to.

use std::collections::{BTreeSet, VecDeque};

use ubf_codec::{View, decode, peek_version};
use ubf_proto::control::{ClientControl, Negotiate};

/// N10.
const MAX_NEGOTIATIONS: usize = 8;

/// One end of one connection.
pub(super) struct Peer {
    pub(super) spoken: BTreeSet<u32>,
    /// As it stands in a header.
    pub(super) next_ip: &'static str,
    pub(super) is_crashing: bool,
    /// What it will send, in order.
    pub(super) answers: VecDeque<Vec<u8>>,
    /// P6
    packets: u64,
    /// N4
    refused: BTreeSet<u32>,
    negotiations: Vec<u64>,
    is_closing: bool,
}

impl Peer {
    pub(super) fn new(spoken: BTreeSet<u32>, next_ip: &'static str) -> Self {
        Self {
            spoken,
            next_ip,
            is_crashing: false,
            answers: VecDeque::new(),
            packets: 0,
            refused: BTreeSet::new(),
            negotiations: Vec::new(),
            is_closing: false,
        }
    }

    /// Takes in one packet: if it executes a call, which one, and the version.
    pub(super) fn take_in(&mut self, packet: &[u8], now: u64) -> Option<(u64, u32)> {
        if self.is_closing {
            return None;
        }
        self.packets += 1;
        let version = peek_version(packet).unwrap().expect("a whole header").number();
        let start = packet.iter().position(|&byte| byte == b' ').unwrap() + 1;
        let body = decode(packet.get(start..).unwrap()).unwrap();
        if version == 0 {
            match ClientControl::from_term(body.root()).unwrap() {
                ClientControl::Negotiate(negotiate) => self.negotiate(&negotiate, now),
                ClientControl::Ping => self.say(0, "'pong'"),
                // S3: it has no answer.
                ClientControl::Seen { .. } | ClientControl::Context(_) => {}
                ClientControl::Error { .. } => self.is_closing = true,
            }
            return None;
        }
        if self.refused.contains(&version) || !self.spoken.contains(&version) {
            self.refused.insert(version);
            let why = format!("{{'refused'{{'version'{version}}}{}{}}}", self.list(), self.packets);
            self.say(0, &why);
            return None;
        }
        let View::Tuple(tuple) = body.root().view() else { panic!("it is a tuple") };
        let number =
            |index| tuple.get(index)?.as_i64().and_then(|number| u64::try_from(number).ok());
        if let Some(call) = number(1) {
            return Some((call, version));
        }
        let call = number(0).expect("the number of the call");
        if self.is_crashing {
            let failed = format!("{{'failed''crash'{}{}}}", self.list(), self.packets);
            self.say(0, &failed);
        } else {
            self.say(version, &format!("{{{call}'s'}}"));
        }
        Some((call, version))
    }

    fn negotiate(&mut self, negotiate: &Negotiate, now: u64) {
        self.negotiations.retain(|&at| now < at + 60_000);
        self.negotiations.push(now);
        assert!(
            self.negotiations.len() <= MAX_NEGOTIATIONS,
            "N10: the ninth negotiation in a minute"
        );
        self.refused.clear();
        let asked: BTreeSet<u32> = negotiate.versions.iter().map(ubf_codec::Version::get).collect();
        assert!(!asked.is_empty(), "N2");
        let choice = asked.intersection(&self.spoken).max().copied();
        match choice {
            Some(version) => self.say(version, &format!("{{'agreed'1?{}#}}", self.list())),
            None => self.say(0, &format!("{{'no_common_version'1?{}}}", self.list())),
        }
    }

    fn list(&self) -> String {
        let items: String = self.spoken.iter().map(|version| format!("{version}&")).collect();
        format!("#{items}")
    }

    fn say(&mut self, version: u32, body: &str) {
        self.answers.push_back(format!("{version} {} {body}$", self.next_ip).into_bytes());
    }

    pub(super) fn event_out(&mut self) {
        self.say(3, "{'event_out'1}");
    }

    pub(super) fn moved(&mut self) {
        self.say(0, "{'moved'1000}");
    }

    /// R8: what comes after it is not executed.
    pub(super) fn closing(&mut self) {
        if !self.is_closing {
            self.is_closing = true;
            self.say(0, &format!("{{'closing''bye'{}}}", self.packets));
        }
    }

    /// Answers that the client has not got, events and notices included.
    pub(super) fn unanswered(&self) -> usize {
        let is_unasked = |answer: &Vec<u8>| {
            let text = String::from_utf8_lossy(answer);
            ["'event_out'", "'moved'", "'closing'"].iter().any(|word| text.contains(word))
        };
        self.answers.iter().filter(|answer| !is_unasked(answer)).count()
    }
}
