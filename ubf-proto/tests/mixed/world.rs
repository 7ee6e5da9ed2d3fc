//! What happens, and in which order: a step at a time, as the seed wants it.

use ubf_proto::{Random, Time};

use crate::ledger::End;
use crate::stock::Stock;
use crate::versioned::Versioned;

const STEPS: u64 = 400;
const STOCK_CLIENTS: usize = 3;
/// A call of a versioned client takes no longer, and all that it waits for has its time.
const HEAL_MS: u64 = 200_000;

/// What has happened, to be seen that all does.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Summary {
    stock_answered: u64,
    stock_indeterminate: u64,
    stock_not_run: u64,
    versioned_answered: u64,
    versioned_indeterminate: u64,
    taken_over: u64,
    versioned_taken_over: u64,
    events: u64,
    mistaken: u64,
}

impl Summary {
    pub(crate) fn all(&self) -> [u64; 9] {
        let Self { stock_answered, stock_indeterminate, stock_not_run, .. } = *self;
        let Self { versioned_answered, versioned_indeterminate, .. } = *self;
        let Self { versioned_taken_over, .. } = *self;
        let Self { taken_over, events, mistaken, .. } = *self;
        [
            stock_answered,
            stock_indeterminate,
            stock_not_run,
            versioned_answered,
            versioned_indeterminate,
            taken_over,
            versioned_taken_over,
            events,
            mistaken,
        ]
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.stock_answered += other.stock_answered;
        self.stock_indeterminate += other.stock_indeterminate;
        self.stock_not_run += other.stock_not_run;
        self.versioned_answered += other.versioned_answered;
        self.versioned_indeterminate += other.versioned_indeterminate;
        self.taken_over += other.taken_over;
        self.versioned_taken_over += other.versioned_taken_over;
        self.events += other.events;
        self.mistaken += other.mistaken;
    }

    fn add_stock(&mut self, stock: &Stock) {
        self.stock_answered += stock.ledger.count(|end| matches!(end, End::Answered(_)));
        self.stock_indeterminate += stock.ledger.count(|end| end == End::Indeterminate);
        self.stock_not_run += stock.ledger.count(|end| end == End::NotRun);
        self.taken_over += stock.taken_over;
        self.events += stock.events;
    }
}

/// How far the process is on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Takeover {
    None,
    /// All are frozen.
    Begun,
}

pub(crate) struct World {
    random: Random,
    now_ms: u64,
    stock: Vec<Stock>,
    versioned: Versioned,
    takeover: Takeover,
    summary: Summary,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let stock = (0..STOCK_CLIENTS).map(|_| Stock::new(&mut random, Time::ZERO)).collect();
        Self {
            stock,
            versioned: Versioned::new(seed, Time::ZERO),
            random,
            now_ms: 0,
            takeover: Takeover::None,
            summary: Summary::default(),
        }
    }

    pub(crate) fn run(mut self) -> Summary {
        for _ in 0..STEPS {
            self.step();
            self.replace_those_that_are_over();
        }
        self.heal();
        for stock in &self.stock {
            stock.ledger.check();
            stock.check_heard();
            self.summary.add_stock(stock);
        }
        self.versioned.ledger.check();
        let ledger = &self.versioned.ledger;
        self.summary.versioned_answered = ledger.count(|end| matches!(end, End::Answered(_)));
        self.summary.versioned_indeterminate = ledger.count(|end| end == End::Indeterminate);
        self.summary.mistaken = self.versioned.mistaken;
        self.summary.versioned_taken_over = self.versioned.taken_over;
        self.summary
    }

    fn now(&self) -> Time {
        Time::from_millis(self.now_ms)
    }

    fn step(&mut self) {
        let (now, what) = (self.now(), self.random.below(100));
        let place = self.random.below(STOCK_CLIENTS as u64) as usize;
        let Some(stock) = self.stock.get_mut(place) else { return };
        match what {
            0..15 => stock.call(now),
            15..40 => stock.move_bytes(&mut self.random, now),
            40..55 => stock.answer(&mut self.random, now),
            55..60 => stock.speak(now),
            60..66 => self.versioned.call(now),
            66..78 => self.versioned.move_bytes(&mut self.random, now),
            78..84 => self.versioned.answer(now),
            84..92 => {
                let most = if self.random.below(3) == 0 { 1_500 } else { 30 };
                self.now_ms += self.random.below(most);
                self.tick();
            }
            92 => match self.random.below(4) {
                0 => stock.lose(now),
                1 => self.versioned.lose(now),
                _ => {}
            },
            _ => self.take_over(),
        }
    }

    fn tick(&mut self) {
        let now = self.now();
        for stock in &mut self.stock {
            stock.tick(now);
        }
        self.versioned.tick(now);
    }

    /// A take-over goes a step on, or comes to nothing.
    fn take_over(&mut self) {
        let now = self.now();
        self.takeover = match self.takeover {
            Takeover::None => {
                self.stock.iter_mut().for_each(|stock| stock.freeze(now));
                self.versioned.freeze(now);
                Takeover::Begun
            }
            Takeover::Begun if self.random.below(3) == 0 => {
                self.stock.iter_mut().for_each(|stock| stock.thaw(now));
                self.versioned.thaw(now);
                Takeover::None
            }
            Takeover::Begun => {
                self.stock.iter_mut().for_each(|stock| stock.go(now));
                self.versioned.go(now);
                Takeover::None
            }
        };
    }

    /// A stock client does not connect again: another one comes.
    fn replace_those_that_are_over(&mut self) {
        let now = self.now();
        for stock in &mut self.stock {
            if stock.is_over() {
                stock.lose(now);
                stock.ledger.check();
                stock.check_heard();
                self.summary.add_stock(stock);
                *stock = Stock::new(&mut self.random, now);
            }
        }
    }

    /// Nothing goes wrong any more: what is open ends.
    fn heal(&mut self) {
        if self.takeover == Takeover::Begun {
            let now = self.now();
            self.stock.iter_mut().for_each(|stock| stock.thaw(now));
            self.versioned.thaw(now);
        }
        let until = self.now_ms + HEAL_MS;
        while self.now_ms < until {
            // Short steps while bytes flow, and longer ones as time is all that is waited for.
            self.now_ms += if until - self.now_ms > HEAL_MS - 1_000 { 20 } else { 5_000 };
            self.tick();
            for _ in 0..4 {
                let now = self.now();
                for stock in &mut self.stock {
                    stock.move_bytes(&mut self.random, now);
                    stock.answer(&mut self.random, now);
                }
                self.versioned.move_bytes(&mut self.random, now);
                self.versioned.answer(now);
            }
        }
        let now = self.now();
        self.versioned.finish(now);
        for stock in &mut self.stock {
            assert_eq!(stock.ledger.open(), 0, "a call of a stock client waits for ever");
        }
    }
}
