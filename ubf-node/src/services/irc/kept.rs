//! `irc` on rows: people and groups outlive the process, as far as their sessions do.

use ubf_codec::Text;
use ubf_service::{Caller, Do, SessionKey, StatefulService, Tx, TxLimits, tables};

use super::rows::{BY_NICK, GROUPS, Group, Id, MEMBERS, Name, PEOPLE, Person, TOTAL, members_of};
use super::words::{
    Contract, Event, MAX_GROUPS, MAX_GROUPS_EACH, MAX_MEMBERS, MAX_PEOPLE, MAX_TEXT_BYTES, Reply,
    Request, Why, is_name,
};

/// Groups of people who write to each other, in a store: the contract of [`Irc`](super::Irc).
///
/// A person is a session. It is a member of its groups while its client is without a connection,
/// and while the server is; it leaves them when the session ends. What it was told meanwhile comes
/// when the client is back, or it is told how much is lost. So nobody is logged off for not
/// reading, and a client without a session is refused `'no_session'`.
///
/// # Limits
/// Those of [`Irc`](super::Irc).
#[derive(Clone, Copy, Debug, Default)]
pub struct IrcRows(());

impl StatefulService for IrcRows {
    type Request = Request;
    type Reply = Reply;
    type Timer = ();
    const STATE: (u32, u32) = (1, 1);
    tables!(PEOPLE, GROUPS, MEMBERS, TOTAL);

    /// Who leaves, or has another name, may be in as many groups as one can be, and each may have
    /// as many members as it can have.
    fn limits() -> TxLimits {
        let most = MAX_GROUPS_EACH * MAX_MEMBERS;
        // Beside them, each of `MAX_PEOPLE` names that are not free is looked up in two reads.
        let max_rows_read = most + 2 * MAX_PEOPLE + 1_000;
        TxLimits { max_events: most, max_rows_read, ..TxLimits::default() }
    }

    fn apply(&self, caller: &Caller<'_>, request: Request, tx: &mut Tx<'_>) -> Do<Reply> {
        let (session, contract) = (caller.has_session()?, Contract::of(caller.version));
        let id = session.to_bytes();
        let Some(mut person) = tx.get(&PEOPLE, &id)? else {
            let Request::Logon(nick) = request else {
                return Ok(Reply::Broken { request: Box::new(request), is_active: false });
            };
            return log_on(tx, &id, contract, nick);
        };
        if person.contract() != contract {
            person.version = contract.number();
            save(tx, &id, &person)?;
        }
        Ok(match request {
            Request::Logon(_) => Reply::Broken { request: Box::new(request), is_active: true },
            Request::Groups => {
                let groups = tx.range(&GROUPS, .., MAX_GROUPS)?;
                let count = |group: Group| usize::try_from(group.members).unwrap_or(usize::MAX);
                Reply::Groups(groups.into_iter().map(|(name, it)| (name.0, count(it))).collect())
            }
            Request::Members(group) => members(tx, group)?,
            Request::Join(group) => Reply::Done(join(tx, &id, person, group)?),
            Request::Leave(group) => Reply::Done(leave(tx, &id, person, group)?),
            Request::Nick(nick) => Reply::Done(rename(tx, &id, person, nick)?),
            Request::Message { group, text } => {
                Reply::Done(message(tx, &id, &person, &group, &text)?)
            }
            Request::Private { nick, text } => Reply::Done(private(tx, &person, nick, &text)?),
            Request::Logoff => {
                log_off(tx, &id, &person)?;
                Reply::Done(Ok(()))
            }
        })
    }

    fn state_name(&self, caller: &Caller<'_>, tx: &mut Tx<'_>) -> Do<Text> {
        let is_active = match caller.session {
            Some(session) => tx.get(&PEOPLE, &session.to_bytes())?.is_some(),
            None => false,
        };
        Ok(Text::from_static(if is_active { "active" } else { "start" }))
    }

    fn gone(&self, session: SessionKey, tx: &mut Tx<'_>) -> Do<()> {
        let id = session.to_bytes();
        match tx.get(&PEOPLE, &id)? {
            Some(person) => log_off(tx, &id, &person),
            None => Ok(()),
        }
    }
}

fn log_on(tx: &mut Tx<'_>, id: &Id, contract: Contract, nick: Option<Text>) -> Do<Reply> {
    let mut total = tx.get(&TOTAL, &())?.unwrap_or_default();
    if total.people >= MAX_PEOPLE as u64 {
        return Ok(Reply::Done(Err(Why::Full)));
    }
    let nick = match nick {
        Some(nick) => match free(tx, nick)? {
            Ok(nick) => nick,
            Err(why) => return Ok(Reply::Done(Err(why))),
        },
        // Somebody may have taken one of these names: of so many, one is free.
        None => loop {
            total.guests += 1;
            let nick = Name(Text::from(format!("guest{}", total.guests)));
            if find(tx, &nick)?.is_none() {
                break nick;
            }
        },
    };
    let person = Person { nick, version: contract.number(), groups: Vec::new() };
    tx.put(&PEOPLE, id, &person)?;
    total.people += 1;
    tx.put(&TOTAL, &(), &total)?;
    Ok(Reply::Welcome(person.nick.0))
}

fn log_off(tx: &mut Tx<'_>, id: &Id, person: &Person) -> Do<()> {
    for group in &person.groups {
        remove_member(tx, id, group)?;
        tell(tx, group, id, Event::Leaves { nick: &person.nick.0, group: &group.0 })?;
    }
    tx.delete(&PEOPLE, id)?;
    let mut total = tx.get(&TOTAL, &())?.unwrap_or_default();
    total.people = total.people.saturating_sub(1);
    tx.put(&TOTAL, &(), &total)
}

fn members(tx: &mut Tx<'_>, group: Text) -> Do<Reply> {
    let group = Name(group);
    let members = tx.range(&MEMBERS, members_of(&group), MAX_MEMBERS)?;
    // A group is there while somebody is in it.
    if members.is_empty() {
        return Ok(Reply::Done(Err(Why::NoSuchGroup)));
    }
    let mut nicks: Vec<_> = members.into_iter().map(|(_, member)| member.nick.0).collect();
    nicks.sort_unstable();
    Ok(Reply::Members(nicks))
}

fn join(tx: &mut Tx<'_>, id: &Id, mut person: Person, group: Text) -> Do<Result<(), Why>> {
    let group = Name(group);
    let Err(place) = person.groups.binary_search(&group) else { return Ok(Ok(())) };
    let mut total = tx.get(&TOTAL, &())?.unwrap_or_default();
    let members = tx.get(&GROUPS, &group)?.map_or(0, |group| group.members);
    let is_full =
        members >= MAX_MEMBERS as u64 || (members == 0 && total.groups >= MAX_GROUPS as u64);
    if is_full || person.groups.len() >= MAX_GROUPS_EACH {
        return Ok(Err(Why::Full));
    }
    if !is_name(&group.0) {
        return Ok(Err(Why::BadName));
    }
    if members == 0 {
        total.groups += 1;
        tx.put(&TOTAL, &(), &total)?;
    }
    tx.put(&GROUPS, &group, &Group { members: members + 1 })?;
    tx.put(&MEMBERS, &(group.clone(), *id), &person.as_member())?;
    tell(tx, &group, id, Event::Joins { nick: &person.nick.0, group: &group.0 })?;
    person.groups.insert(place, group);
    tx.put(&PEOPLE, id, &person)?;
    Ok(Ok(()))
}

fn leave(tx: &mut Tx<'_>, id: &Id, mut person: Person, group: Text) -> Do<Result<(), Why>> {
    let group = Name(group);
    let Ok(place) = person.groups.binary_search(&group) else {
        return Ok(Err(Why::NotAMember));
    };
    person.groups.remove(place);
    tx.put(&PEOPLE, id, &person)?;
    remove_member(tx, id, &group)?;
    tell(tx, &group, id, Event::Leaves { nick: &person.nick.0, group: &group.0 })?;
    Ok(Ok(()))
}

fn rename(tx: &mut Tx<'_>, id: &Id, mut person: Person, nick: Text) -> Do<Result<(), Why>> {
    let nick = match free(tx, nick)? {
        Ok(nick) => nick,
        Err(why) => return Ok(Err(why)),
    };
    let old = std::mem::replace(&mut person.nick, nick);
    save(tx, id, &person)?;
    let mut told = std::collections::BTreeSet::new();
    for group in &person.groups {
        let event = Event::Renamed { old: &old.0, new: &person.nick.0, group: &group.0 };
        tell_those(tx, group, event, |one, contract| {
            let is_first = one != id && told.insert(*one);
            is_first || one != id && contract == Contract::One
        })?;
    }
    Ok(Ok(()))
}

fn message(
    tx: &mut Tx<'_>,
    id: &Id,
    person: &Person,
    group: &Text,
    text: &Text,
) -> Do<Result<(), Why>> {
    let Some(group) = person.groups.iter().find(|it| it.0 == *group) else {
        return Ok(Err(Why::NotAMember));
    };
    if text.as_bytes().len() > MAX_TEXT_BYTES {
        return Ok(Err(Why::BadText));
    }
    tell(tx, group, id, Event::Said { nick: &person.nick.0, group: &group.0, text })?;
    Ok(Ok(()))
}

fn private(tx: &mut Tx<'_>, from: &Person, nick: Text, text: &Text) -> Do<Result<(), Why>> {
    let Some((id, to)) = find(tx, &Name(nick))? else { return Ok(Err(Why::NoSuchNick)) };
    if text.as_bytes().len() > MAX_TEXT_BYTES {
        return Ok(Err(Why::BadText));
    }
    if to.contract() == Contract::One {
        return Ok(Err(Why::TooOld));
    }
    let event = Event::Whispered { nick: &from.nick.0, text };
    tx.emit(SessionKey::from_bytes(id), packet(Contract::Two, event))?;
    Ok(Ok(()))
}

/// Who has a name.
fn find(tx: &mut Tx<'_>, nick: &Name) -> Do<Option<(Id, Person)>> {
    Ok(tx.by(&PEOPLE, &BY_NICK, nick.clone()..=nick.clone(), 1)?.pop())
}

/// A name that is one, and that nobody has.
fn free(tx: &mut Tx<'_>, nick: Text) -> Do<Result<Name, Why>> {
    if !is_name(&nick) {
        return Ok(Err(Why::BadName));
    }
    let nick = Name(nick);
    Ok(if find(tx, &nick)?.is_some() { Err(Why::NickTaken) } else { Ok(nick) })
}

/// Writes a person of whom the others in its groups see something else.
fn save(tx: &mut Tx<'_>, id: &Id, person: &Person) -> Do<()> {
    for group in &person.groups {
        tx.put(&MEMBERS, &(group.clone(), *id), &person.as_member())?;
    }
    tx.put(&PEOPLE, id, person)
}

fn remove_member(tx: &mut Tx<'_>, id: &Id, group: &Name) -> Do<()> {
    tx.delete(&MEMBERS, &(group.clone(), *id))?;
    let members = tx.get(&GROUPS, group)?.map_or(0, |group| group.members);
    if members > 1 {
        return tx.put(&GROUPS, group, &Group { members: members - 1 });
    }
    tx.delete(&GROUPS, group)?;
    let mut total = tx.get(&TOTAL, &())?.unwrap_or_default();
    total.groups = total.groups.saturating_sub(1);
    tx.put(&TOTAL, &(), &total)
}

/// Tells the others in a group.
fn tell(tx: &mut Tx<'_>, group: &Name, but: &Id, event: Event<'_>) -> Do<()> {
    tell_those(tx, group, event, |one, _| one != but)
}

/// Tells those in a group who are to hear it. What people of one version hear is written once.
fn tell_those(
    tx: &mut Tx<'_>,
    group: &Name,
    event: Event<'_>,
    mut hears: impl FnMut(&Id, Contract) -> bool,
) -> Do<()> {
    let (mut one, mut two) = (None, None);
    for ((_, id), member) in tx.range(&MEMBERS, members_of(group), MAX_MEMBERS)? {
        let contract = member.contract();
        if !hears(&id, contract) {
            continue;
        }
        let written = match contract {
            Contract::One => &mut one,
            Contract::Two => &mut two,
        };
        let body = written.get_or_insert_with(|| packet(contract, event)).clone();
        tx.emit(SessionKey::from_bytes(id), body)?;
    }
    Ok(())
}

fn packet(contract: Contract, event: Event<'_>) -> bytes::Bytes {
    ubf_service::event(super::words::version(contract.number()), event.to_term(contract))
}

#[cfg(test)]
mod tests;
