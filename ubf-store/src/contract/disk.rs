//! A disk in memory that can fail: a crash keeps what was synchronised and any part of the rest.

use std::io::{Error, ErrorKind};
use std::sync::{Arc, Mutex, MutexGuard};

use redb::StorageBackend;
use ubf_proto::Random;

/// How a disk writes at once: what is larger can be torn.
const SECTOR: usize = 512;

/// A file on such a disk. Clones are the same file.
#[derive(Clone, Debug)]
pub(super) struct Disk(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    /// What is on the disk whatever happens.
    durable: Vec<u8>,
    /// What the system shows.
    shown: Vec<u8>,
    /// What has been written since the last synchronisation.
    unsure: Vec<Write>,
    /// So many writes and synchronisations from here, the machine stops.
    stops_in: Option<u64>,
    /// So many synchronisations from here, one fails; all later ones seem to succeed.
    sync_fails_in: Option<u64>,
    max_len: usize,
    is_stopped: bool,
}

#[derive(Clone, Debug)]
enum Write {
    Bytes(usize, Vec<u8>),
    Len(usize),
}

fn apply(bytes: &mut Vec<u8>, write: &Write) {
    match write {
        Write::Len(len) => bytes.resize(*len, 0),
        Write::Bytes(at, data) => {
            if bytes.len() < at + data.len() {
                bytes.resize(at + data.len(), 0);
            }
            bytes[*at..at + data.len()].copy_from_slice(data);
        }
    }
}

impl Disk {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(State {
            durable: Vec::new(),
            shown: Vec::new(),
            unsure: Vec::new(),
            stops_in: None,
            sync_fails_in: None,
            max_len: usize::MAX,
            is_stopped: false,
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub(super) fn stop_in(&self, steps: u64) {
        self.state().stops_in = Some(steps);
    }

    pub(super) fn fail_sync_in(&self, syncs: u64) {
        self.state().sync_fails_in = Some(syncs);
    }

    pub(super) fn set_max_len(&self, max_len: usize) {
        self.state().max_len = max_len;
    }

    pub(super) fn len_now(&self) -> usize {
        self.state().shown.len()
    }

    /// The file as it is found after the machine has stopped: of what was not synchronised any part
    /// is there, in sectors.
    pub(super) fn after_crash(&self, random: &mut Random) -> Self {
        let state = self.state();
        let mut found = state.durable.clone();
        for write in &state.unsure {
            match write {
                Write::Len(_) => {
                    if random.below(2) == 0 {
                        apply(&mut found, write);
                    }
                }
                Write::Bytes(at, data) => {
                    for (index, sector) in data.chunks(SECTOR).enumerate() {
                        if random.below(2) == 0 {
                            apply(&mut found, &Write::Bytes(at + index * SECTOR, sector.to_vec()));
                        }
                    }
                }
            }
        }
        let after = Self::new();
        {
            let mut state = after.state();
            state.durable.clone_from(&found);
            state.shown = found;
        }
        after
    }

    /// The bytes as they are, with some changed.
    pub(super) fn changed(&self, change: impl FnOnce(&mut Vec<u8>)) -> Self {
        let mut bytes = self.state().shown.clone();
        change(&mut bytes);
        let after = Self::new();
        {
            let mut state = after.state();
            state.durable.clone_from(&bytes);
            state.shown = bytes;
        }
        after
    }
}

impl State {
    fn step(&mut self) -> Result<(), Error> {
        if let Some(steps) = &mut self.stops_in {
            self.is_stopped |= *steps == 0;
            *steps = steps.saturating_sub(1);
        }
        if self.is_stopped { Err(Error::other("the machine has stopped")) } else { Ok(()) }
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> Result<u64, Error> {
        Ok(self.state().shown.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), Error> {
        let state = self.state();
        if state.is_stopped {
            return Err(Error::other("the machine has stopped"));
        }
        let from = usize::try_from(offset).unwrap();
        let bytes = state.shown.get(from..from + out.len());
        let bytes = bytes.ok_or_else(|| Error::from(ErrorKind::UnexpectedEof))?;
        out.copy_from_slice(bytes);
        Ok(())
    }

    fn set_len(&self, len: u64) -> Result<(), Error> {
        let mut state = self.state();
        state.step()?;
        let len = usize::try_from(len).unwrap();
        if len > state.max_len {
            return Err(Error::from(ErrorKind::StorageFull));
        }
        apply(&mut state.shown, &Write::Len(len));
        state.unsure.push(Write::Len(len));
        Ok(())
    }

    fn sync_data(&self) -> Result<(), Error> {
        let mut state = self.state();
        state.step()?;
        if let Some(syncs) = &mut state.sync_fails_in {
            if *syncs == 0 {
                // What was to be written is gone, and the next synchronisation says nothing of it.
                state.sync_fails_in = None;
                let lost = std::mem::take(&mut state.unsure);
                let mut shown = state.durable.clone();
                lost.iter()
                    .filter(|write| matches!(write, Write::Len(_)))
                    .for_each(|write| apply(&mut shown, write));
                state.shown = shown;
                return Err(Error::other("the disk has failed"));
            }
            *syncs -= 1;
        }
        state.durable = state.shown.clone();
        state.unsure.clear();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), Error> {
        let mut state = self.state();
        state.step()?;
        let write = Write::Bytes(usize::try_from(offset).unwrap(), data.to_vec());
        apply(&mut state.shown, &write);
        state.unsure.push(write);
        Ok(())
    }
}
