use ubf_codec::Version;

use super::*;
use crate::drain::DrainPlan;

fn config() -> Config {
    Config { max_connections: 4, max_connections_per_address: 2, ..Config::default() }
}

fn endpoint() -> Endpoint {
    Endpoint::new(config(), Offer::from(Versions::of([3, 10])), 1)
}

fn at(millis: u64) -> Time {
    Time::from_millis(millis)
}

fn origin(ip: &str) -> Origin {
    Origin::of(ip.parse().unwrap())
}

fn plan(next_ip: &str) -> DrainPlan {
    let (grace, hard_stop) = (Duration::from_secs(8), Duration::from_secs(2));
    DrainPlan::new(next_ip.parse().ok(), grace, hard_stop)
}

/// `None` if it is turned away.
fn admit(endpoint: &mut Endpoint, ip: &str) -> Option<ConnectionKey> {
    match endpoint.admit(origin(ip), endpoint.now) {
        Admission::Serve { connection, .. } => Some(connection),
        Admission::TurnAway { .. } => None,
    }
}

fn why(admission: &Admission) -> &'static str {
    match admission {
        Admission::Serve { .. } => "served",
        Admission::TurnAway { why, .. } => why,
    }
}

/// All that it says to its sessions, in short.
fn said(endpoint: &mut Endpoint) -> Vec<&'static str> {
    let mut said = Vec::new();
    while let Some(output) = endpoint.poll_output() {
        said.push(match output {
            Output::Tell(_, server::Input::Offer(_)) => "offer",
            Output::Tell(_, server::Input::Config(_)) => "config",
            Output::Tell(_, server::Input::Undrain) => "undrain",
            Output::Tell(_, server::Input::NextIp(None)) => "stay",
            Output::Tell(_, server::Input::NextIp(Some(_))) => "go",
            Output::Tell(_, server::Input::Drain { .. }) => "drain",
            Output::Tell(_, server::Input::Close { .. }) => "close",
            Output::Tell(_, input) => panic!("{input:?}"),
            Output::Cut(_) => "cut",
            Output::EndSession(_) => "end-session",
            Output::WakeSession(_) => "wake-session",
            Output::StopListening => "stop-listening",
            Output::CountCalls => "count",
            Output::Notice(_) => continue,
        });
    }
    said
}

#[test]
fn l1_the_limits_of_connections_hold_and_places_are_given_back() {
    let mut endpoint = endpoint();
    let first = admit(&mut endpoint, "192.0.2.1").unwrap();
    assert!(admit(&mut endpoint, "192.0.2.1").is_some());
    assert_eq!(
        why(&endpoint.admit(origin("192.0.2.1"), at(0))),
        "too_many_connections_from_address"
    );
    // The same host in IPv6 clothing, and hosts of one /64.
    assert!(admit(&mut endpoint, "::ffff:192.0.2.1").is_none());
    assert!(admit(&mut endpoint, "2001:db8::1").is_some());
    assert!(admit(&mut endpoint, "2001:db8::2").is_some());
    assert_eq!(why(&endpoint.admit(Origin::Local, at(0))), "too_many_connections");
    assert!(endpoint.handle(Input::Closed(first), at(1)));
    assert!(!endpoint.handle(Input::Closed(first), at(1)), "it is gone once");
    assert!(admit(&mut endpoint, "2001:db8::3").is_none());
    assert_eq!(why(&endpoint.admit(Origin::Local, at(1))), "served");
}

#[test]
fn r8_a_drain_tells_all_and_takes_its_phases() {
    let mut endpoint = endpoint();
    let one = admit(&mut endpoint, "192.0.2.1").unwrap();
    assert!(admit(&mut endpoint, "192.0.2.2").is_some());
    assert!(endpoint.handle(Input::Drain(plan("b:4000")), at(0)));
    assert_eq!(said(&mut endpoint), ["drain", "drain"]);
    assert!(admit(&mut endpoint, "192.0.2.3").is_some(), "a drain goes on to serve");
    assert_eq!(endpoint.poll_timeout(), Some(at(8_000)));
    assert!(endpoint.handle(Input::Tick, at(7_999)));
    assert_eq!(endpoint.phase(), Phase::Draining);
    endpoint.handle(Input::Tick, at(8_000));
    assert_eq!(said(&mut endpoint), ["stop-listening", "close", "close", "close"]);
    assert_eq!(why(&endpoint.admit(origin("192.0.2.4"), at(8_001))), "shutdown");
    assert!(!endpoint.handle(Input::Undrain, at(8_001)));
    assert!(!endpoint.handle(Input::Drain(plan("c:4000")), at(8_001)));
    assert!(endpoint.handle(Input::StoppedListening, at(8_002)));
    assert!(endpoint.handle(Input::Closed(one), at(9_000)));
    // The hard stop, and a second for the last words.
    assert_eq!(endpoint.poll_timeout(), Some(at(11_000)));
    endpoint.handle(Input::Tick, at(11_000));
    assert_eq!(said(&mut endpoint), ["cut", "cut"]);
    assert_eq!((endpoint.phase(), endpoint.poll_timeout()), (Phase::Stopped, None));
    assert!(!endpoint.handle(Input::Stop, at(11_001)));
}

#[test]
fn r5_clients_of_a_server_that_leaves_its_own_address_are_told_when_nobody_listens() {
    let own = alloc::vec!["a.example:4000".parse().unwrap()];
    let config = Config { own, ..config() };
    let mut endpoint = Endpoint::new(config, Offer::from(Versions::of([3])), 1);
    assert!(admit(&mut endpoint, "192.0.2.1").is_some());
    assert!(endpoint.handle(Input::Drain(plan("b:4000,a.example:4000")), at(0)));
    assert_eq!(said(&mut endpoint), ["stop-listening"]);
    assert!(!endpoint.is_listening());
    assert!(!endpoint.handle(Input::Undrain, at(1)), "the address is left");
    // Who was in the queue is admitted, and told with all others.
    assert!(admit(&mut endpoint, "192.0.2.2").is_some());
    assert!(endpoint.handle(Input::StoppedListening, at(2)));
    assert_eq!(said(&mut endpoint), ["drain", "drain"]);
}

#[test]
fn r9_marks_of_connections_and_of_calls_send_clients_away_and_back() {
    let mut endpoint = endpoint();
    let load = |unit| LoadPlan::new(unit, 1, 1, "b:4000".parse().unwrap());
    let one = admit(&mut endpoint, "192.0.2.1").unwrap();
    assert!(endpoint.handle(Input::Load(Some(load(LoadUnit::Sessions))), at(0)));
    assert_eq!(said(&mut endpoint), ["stay"]);
    assert!(admit(&mut endpoint, "192.0.2.2").is_some());
    assert_eq!(said(&mut endpoint), ["go", "go"]);
    assert!(endpoint.is_overloaded());
    endpoint.handle(Input::Closed(one), at(1));
    assert!(endpoint.is_overloaded(), "between the marks nothing changes");
    assert!(endpoint.handle(Input::Load(Some(load(LoadUnit::Calls))), at(2)));
    assert_eq!(said(&mut endpoint), ["stay", "count"]);
    assert_eq!(endpoint.poll_timeout(), Some(at(102)));
    endpoint.handle(Input::Calls(2), at(3));
    assert_eq!(said(&mut endpoint), ["go"]);
    endpoint.handle(Input::Calls(0), at(4));
    assert_eq!(said(&mut endpoint), ["stay"]);
    assert!(endpoint.handle(Input::Load(None), at(5)));
    assert_eq!((said(&mut endpoint), endpoint.poll_timeout()), (alloc::vec!["stay"], None));
}

#[test]
fn a_session_is_told_what_holds_when_its_turn_comes() {
    let mut endpoint = endpoint();
    assert!(admit(&mut endpoint, "192.0.2.1").is_some());
    assert!(endpoint.handle(Input::Drain(plan("b:4000")), at(0)));
    assert!(endpoint.handle(Input::Undrain, at(1)));
    assert!(!endpoint.handle(Input::Withdraw(Service::DEFAULT, Version::MIN), at(1)));
    let ten = Version::new(10).unwrap();
    assert!(endpoint.handle(Input::Withdraw(Service::DEFAULT, ten), at(1)));
    assert!(endpoint.handle(Input::Restore(Service::DEFAULT, ten), at(1)));
    assert!(endpoint.handle(Input::Peers(alloc::vec!["b:4000".parse().unwrap()]), at(1)));
    assert_eq!(said(&mut endpoint), ["undrain", "stay", "offer", "config"]);
}

#[test]
fn notices_that_nobody_takes_are_dropped() {
    let mut endpoint = endpoint();
    for _ in 0..1_000 {
        assert!(endpoint.handle(Input::Peers(Vec::new()), at(0)));
    }
    assert_eq!(endpoint.notices.len(), MAX_NOTICES);
}

#[test]
fn r7_clients_are_told_of_no_address_that_is_none_to_go_to() {
    let mut endpoint = endpoint();
    for bad in ["0.0.0.0:4000", "[::]:4000", "b:4000,[::ffff:0.0.0.0]:4000"] {
        let cordon = Cordon::new(bad.parse::<NextIp>().ok());
        assert!(!endpoint.handle(Input::Cordon(cordon), at(0)), "{bad}");
        assert!(!endpoint.handle(Input::Drain(plan(bad)), at(0)), "{bad}");
        let next_ip: NextIp = bad.parse().unwrap();
        assert!(!endpoint.handle(Input::Peers(next_ip.addresses().to_vec()), at(0)), "{bad}");
        let load = LoadPlan::new(LoadUnit::Calls, 0, 0, next_ip);
        assert!(!endpoint.handle(Input::Load(Some(load)), at(0)), "{bad}");
    }
    assert_eq!((endpoint.phase(), endpoint.poll_output().is_none()), (Phase::Serving, true));
}

#[test]
fn r4_each_client_is_told_of_a_drain_in_an_order_of_its_own() {
    let mut config = config();
    config.max_connections = 100;
    let mut endpoint = Endpoint::new(config, Offer::from(Versions::of([3])), 1);
    for last in 0..60 {
        assert!(admit(&mut endpoint, &alloc::format!("192.0.2.{last}")).is_some());
    }
    assert!(endpoint.handle(Input::Drain(plan("a:1,b:1,c:1")), at(0)));
    let mut firsts = BTreeMap::<alloc::string::String, u32>::new();
    while let Some(output) = endpoint.poll_output() {
        if let Output::Tell(_, server::Input::Drain { next_ip: Some(next_ip), .. }) = output {
            *firsts.entry(alloc::format!("{}", next_ip.addresses()[0])).or_default() += 1;
        }
    }
    assert_eq!(firsts.values().sum::<u32>(), 60);
    assert!(firsts.len() == 3 && firsts.values().all(|count| *count > 10), "{firsts:?}");
}

#[test]
fn n6_a_stranger_that_crashes_a_version_takes_it_from_nobody_else() {
    let mut endpoint = endpoint();
    let stranger = admit(&mut endpoint, "192.0.2.1").unwrap();
    let other = admit(&mut endpoint, "192.0.2.2").unwrap();
    let (service, version) = (Service::DEFAULT, Version::new(10).unwrap());
    let mut told = Vec::new();
    for _ in 0..3 {
        let crashing = service.clone();
        let crashed = Input::Crashed { connection: stranger, service: crashing, version };
        assert!(endpoint.handle(crashed, at(0)));
        while let Some(output) = endpoint.poll_output() {
            if let Output::Tell(connection, server::Input::Offer(offer)) = output {
                told.push((connection, offer.spoken(&service, at(0)).len()));
            }
        }
    }
    assert_eq!(told, [(stranger, 1)]);
    // Who comes from there again is offered no more.
    endpoint.handle(Input::Closed(stranger), at(1));
    let Admission::Serve { start, .. } = endpoint.admit(origin("192.0.2.1"), at(1)) else {
        panic!("there is room")
    };
    assert_eq!(start.offer.spoken(&service, at(1)).len(), 1);
    assert_eq!(endpoint.spoken(&service, at(1)).len(), 2);
    // A connection that is gone crashes nothing.
    endpoint.handle(Input::Closed(other), at(2));
    assert!(!endpoint.handle(Input::Crashed { connection: other, service, version }, at(2)));
}

/// Where a client that is turned away is sent; empty: nowhere.
fn turned_away_to(admission: Admission) -> alloc::string::String {
    let Admission::TurnAway { start, .. } = admission else { panic!("it is turned away") };
    let server::Input::NextIp(next_ip) = start.input else { panic!("it is told where to go") };
    next_ip.map(|next_ip| alloc::format!("{next_ip}")).unwrap_or_default()
}

#[test]
fn a_cordon_turns_new_clients_away_and_those_there_stay() {
    let mut endpoint = endpoint();
    let there = admit(&mut endpoint, "192.0.2.1").unwrap();
    assert!(!endpoint.handle(Input::Uncordon, at(0)), "there is none");
    assert!(endpoint.handle(Input::Cordon(Cordon::default()), at(0)));
    assert_eq!(said(&mut endpoint), [] as [&str; 0], "those there are told nothing");
    assert_eq!(endpoint.phase(), Phase::Serving);
    let new = |endpoint: &mut Endpoint| endpoint.admit(origin("192.0.2.2"), at(1));
    assert_eq!(why(&new(&mut endpoint)), "cordoned");
    assert_eq!(turned_away_to(new(&mut endpoint)), "");
    // The peers of the moment, what the operator says, and a drain's goal, one above the other.
    assert!(endpoint.handle(Input::Peers(alloc::vec!["b:4000".parse().unwrap()]), at(2)));
    assert_eq!(turned_away_to(new(&mut endpoint)), "b:4000");
    let goal: NextIp = "c:4000".parse().unwrap();
    assert!(endpoint.handle(Input::Cordon(Cordon::new(goal)), at(3)));
    assert_eq!(turned_away_to(new(&mut endpoint)), "c:4000");
    assert!(endpoint.handle(Input::DrainAndStay(plan("d:4000")), at(4)));
    assert_eq!(turned_away_to(new(&mut endpoint)), "d:4000");
    assert!(endpoint.handle(Input::Undrain, at(5)));
    assert!(endpoint.cordon().is_some(), "the end of a drain does not end it");
    assert!(endpoint.handle(Input::Uncordon, at(6)));
    assert!(admit(&mut endpoint, "192.0.2.2").is_some());
    assert!(endpoint.handle(Input::Closed(there), at(7)), "it was there all the time");
}

#[test]
fn a_client_that_is_moved_and_stays_is_closed_after_its_grace() {
    let mut endpoint = endpoint();
    let [stays, goes, other] =
        ["192.0.2.1", "192.0.2.2", "192.0.2.3"].map(|ip| admit(&mut endpoint, ip).unwrap());
    let moved = |connection, grace| Input::Move {
        connection,
        next_ip: "b:4000".parse().unwrap(),
        grace: Duration::from_millis(grace),
        hard_stop: Duration::from_millis(7),
    };
    for connection in [stays, goes] {
        // Of two moves of one connection the last one holds.
        assert!(endpoint.handle(moved(connection, 1), at(0)));
        assert!(endpoint.handle(moved(connection, 100), at(0)));
    }
    assert_eq!(said(&mut endpoint), ["drain", "drain"]);
    assert_eq!(endpoint.poll_timeout(), Some(at(100)));
    assert!(endpoint.handle(Input::Closed(goes), at(50)));
    endpoint.handle(Input::Tick, at(99));
    assert_eq!(said(&mut endpoint), [] as [&str; 0]);
    endpoint.handle(Input::Tick, at(100));
    let Some(Output::Tell(connection, server::Input::Close { within, .. })) =
        endpoint.poll_output()
    else {
        panic!("it is closed")
    };
    assert_eq!((connection, within.as_millis()), (stays, 7));
    assert!(endpoint.poll_output().is_none() && endpoint.poll_timeout().is_none());
    assert!(!endpoint.handle(moved(goes, 1), at(101)), "it is gone");

    // The end of a drain keeps all who are there.
    assert!(endpoint.handle(moved(other, 100), at(200)));
    assert!(endpoint.handle(Input::DrainAndStay(plan("b:4000")), at(201)));
    assert!(endpoint.handle(moved(other, 100), at(202)));
    assert!(endpoint.handle(Input::Undrain, at(203)));
    endpoint.handle(Input::Tick, at(1_000));
    assert!(!said(&mut endpoint).contains(&"close"));
}
