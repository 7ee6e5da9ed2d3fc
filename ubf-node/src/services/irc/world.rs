//! Who is there, in which groups, and who is told of what.

use std::collections::{BTreeMap, BTreeSet};

use ubf_codec::{Term, Text};

use super::words::{
    Contract, Event, MAX_GROUPS, MAX_GROUPS_EACH, MAX_MEMBERS, MAX_PEOPLE, MAX_TEXT_BYTES, Why,
    is_name,
};

/// Where a person's events go.
pub(super) trait Sink {
    /// `false` if there is no room, or nobody.
    fn send(&self, contract: Contract, event: Term) -> bool;
}

#[derive(Debug)]
pub(super) struct World<S> {
    last_id: u64,
    people: BTreeMap<u64, Entry<S>>,
    /// Exactly those of `people`.
    nicks: BTreeMap<Text, u64>,
    /// Never empty ones; what `people` are members of.
    groups: BTreeMap<Text, BTreeSet<u64>>,
}

#[derive(Debug)]
struct Entry<S> {
    nick: Text,
    contract: Contract,
    sink: S,
    groups: BTreeSet<Text>,
}

impl<S> Default for World<S> {
    fn default() -> Self {
        Self {
            last_id: 0,
            people: BTreeMap::new(),
            nicks: BTreeMap::new(),
            groups: BTreeMap::new(),
        }
    }
}

impl<S: Sink> World<S> {
    pub(super) const fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    pub(super) fn is_logged_on(&self, id: u64) -> bool {
        self.people.contains_key(&id)
    }

    /// Events are written for this contract from here on.
    pub(super) fn speaks(&mut self, id: u64, contract: Contract) {
        if let Some(person) = self.people.get_mut(&id) {
            person.contract = contract;
        }
    }

    pub(super) fn log_on(
        &mut self,
        id: u64,
        contract: Contract,
        nick: Option<Text>,
        sink: S,
    ) -> Result<Text, Why> {
        if self.people.len() >= MAX_PEOPLE {
            return Err(Why::Full);
        }
        let nick = match nick {
            Some(nick) => self.free(nick)?,
            // Somebody may have taken one of these names: of so many, one is free.
            None => (0..=MAX_PEOPLE as u64)
                .map(|step| Text::from(format!("guest{}", id + step)))
                .find(|nick| !self.nicks.contains_key(nick))
                .ok_or(Why::Full)?,
        };
        self.nicks.insert(nick.clone(), id);
        self.people
            .insert(id, Entry { nick: nick.clone(), contract, sink, groups: BTreeSet::new() });
        Ok(nick)
    }

    pub(super) fn log_off(&mut self, id: u64) {
        let mut leaving = vec![id];
        while let Some(id) = leaving.pop() {
            let Some(person) = self.people.remove(&id) else { continue };
            self.nicks.remove(&person.nick);
            for group in person.groups {
                self.remove_member(id, &group);
                let event = Event::Leaves { nick: &person.nick, group: &group };
                leaving.extend(self.tell_members(&group, id, event));
            }
        }
    }

    pub(super) fn groups(&self) -> impl Iterator<Item = (&Text, usize)> {
        self.groups.iter().map(|(group, members)| (group, members.len()))
    }

    pub(super) fn members(&self, group: &Text) -> Result<Vec<Text>, Why> {
        let members = self.groups.get(group).ok_or(Why::NoSuchGroup)?;
        let mut nicks: Vec<_> = members
            .iter()
            .filter_map(|id| self.people.get(id))
            .map(|person| person.nick.clone())
            .collect();
        nicks.sort_unstable();
        Ok(nicks)
    }

    pub(super) fn join(&mut self, id: u64, group: &Text) -> Result<(), Why> {
        let person = self.people.get_mut(&id).ok_or(Why::NoSuchNick)?;
        if person.groups.contains(group) {
            return Ok(());
        }
        let members = self.groups.get(group).map_or(0, BTreeSet::len);
        let is_full = members >= MAX_MEMBERS || (members == 0 && self.groups.len() >= MAX_GROUPS);
        if is_full || person.groups.len() >= MAX_GROUPS_EACH {
            return Err(Why::Full);
        }
        if !is_name(group) {
            return Err(Why::BadName);
        }
        person.groups.insert(group.clone());
        let nick = person.nick.clone();
        self.groups.entry(group.clone()).or_default().insert(id);
        self.say(id, group, Event::Joins { nick: &nick, group });
        Ok(())
    }

    pub(super) fn leave(&mut self, id: u64, group: &Text) -> Result<(), Why> {
        let person = self.people.get_mut(&id).ok_or(Why::NoSuchNick)?;
        if !person.groups.remove(group) {
            return Err(Why::NotAMember);
        }
        let nick = person.nick.clone();
        self.remove_member(id, group);
        self.say(id, group, Event::Leaves { nick: &nick, group });
        Ok(())
    }

    pub(super) fn rename(&mut self, id: u64, nick: &Text) -> Result<(), Why> {
        let nick = self.free(nick.clone())?;
        let person = self.people.get_mut(&id).ok_or(Why::NoSuchNick)?;
        let old = std::mem::replace(&mut person.nick, nick.clone());
        let groups = person.groups.clone();
        self.nicks.remove(&old);
        self.nicks.insert(nick.clone(), id);
        let mut told = BTreeSet::new();
        let mut slow = Vec::new();
        for group in groups {
            let others: Vec<_> = self
                .groups
                .get(&group)
                .into_iter()
                .flatten()
                .copied()
                .filter(|&it| it != id)
                .collect();
            for other in others {
                let is_first = told.insert(other);
                let event = Event::Renamed { old: &old, new: &nick, group: &group };
                let is_told = self.people.get(&other).is_none_or(|person| {
                    let hears = is_first || person.contract == Contract::One;
                    !hears || person.sink.send(person.contract, event.to_term(person.contract))
                });
                slow.extend((!is_told).then_some(other));
            }
        }
        self.log_off_all(slow);
        Ok(())
    }

    pub(super) fn message(&mut self, id: u64, group: &Text, text: &Text) -> Result<(), Why> {
        let person = self.people.get(&id).ok_or(Why::NoSuchNick)?;
        if !person.groups.contains(group) {
            return Err(Why::NotAMember);
        }
        if text.as_bytes().len() > MAX_TEXT_BYTES {
            return Err(Why::BadText);
        }
        let nick = person.nick.clone();
        self.say(id, group, Event::Said { nick: &nick, group, text });
        Ok(())
    }

    pub(super) fn private(&mut self, id: u64, nick: &Text, text: &Text) -> Result<(), Why> {
        let from = self.people.get(&id).ok_or(Why::NoSuchNick)?.nick.clone();
        let to = *self.nicks.get(nick).ok_or(Why::NoSuchNick)?;
        let person = self.people.get(&to).ok_or(Why::NoSuchNick)?;
        if text.as_bytes().len() > MAX_TEXT_BYTES {
            return Err(Why::BadText);
        }
        if person.contract == Contract::One {
            return Err(Why::TooOld);
        }
        let event = Event::Whispered { nick: &from, text };
        if !person.sink.send(Contract::Two, event.to_term(Contract::Two)) {
            self.log_off(to);
            return Err(Why::NoSuchNick);
        }
        Ok(())
    }

    /// A name that is one, and that nobody has.
    fn free(&self, nick: Text) -> Result<Text, Why> {
        match is_name(&nick) {
            false => Err(Why::BadName),
            true if self.nicks.contains_key(&nick) => Err(Why::NickTaken),
            true => Ok(nick),
        }
    }

    fn remove_member(&mut self, id: u64, group: &Text) {
        if let Some(members) = self.groups.get_mut(group) {
            members.remove(&id);
            if members.is_empty() {
                self.groups.remove(group);
            }
        }
    }

    /// Tells the others in the group. Who has no room for it is logged off.
    fn say(&mut self, id: u64, group: &Text, event: Event<'_>) {
        let slow = self.tell_members(group, id, event);
        self.log_off_all(slow);
    }

    fn log_off_all(&mut self, slow: Vec<u64>) {
        for id in slow {
            self.log_off(id);
        }
    }

    /// Gives those who have no room for it.
    fn tell_members(&self, group: &Text, but: u64, event: Event<'_>) -> Vec<u64> {
        // It is written once for all who hear the same.
        let [one, two] = [Contract::One, Contract::Two].map(|contract| event.to_term(contract));
        let others = self.groups.get(group).into_iter().flatten().filter(|&&id| id != but);
        let is_told = |id: &u64| {
            self.people.get(id).is_none_or(|person| {
                let event = if person.contract == Contract::One { &one } else { &two };
                person.sink.send(person.contract, event.clone())
            })
        };
        others.filter(|id| !is_told(id)).copied().collect()
    }
}
