//! One controller, step by step.

use std::time::Duration;

use ubf_agent_core::Hash;
use ubf_fleet::{Gates, Input, Output, Plan, PlanError, Record, Rollout, Sample, Stage, Steering};

fn plan(nodes: usize) -> Plan {
    let nodes = (0..nodes).map(|node| format!("node {node}")).collect();
    let mut plan = Plan::new(Hash::of(b"35"), nodes).unwrap();
    plan.wave = 2;
    plan
}

/// Stores what is to be stored, and gives what is to be done.
fn next(rollout: &mut Rollout) -> Option<Output> {
    loop {
        match rollout.poll_output()? {
            Output::Store(record) => {
                assert_eq!(Record::read(&record.to_bytes().unwrap()).unwrap(), *record);
                rollout.handle(Input::Stored, Duration::ZERO);
            }
            other => return Some(other),
        }
    }
}

fn prepare(rollout: &mut Rollout, nodes: usize) {
    for node in 0..nodes {
        assert_eq!(next(rollout), Some(Output::Prepare { node }));
        rollout.handle(Input::Prepared { node, runs: format!("{node}") }, Duration::ZERO);
    }
}

fn change(rollout: &mut Rollout, node: usize) {
    assert_eq!(next(rollout), Some(Output::Change { node }));
    rollout.handle(Input::Done { node }, Duration::ZERO);
}

fn soak(rollout: &mut Rollout, until: usize, changed: Sample) {
    assert_eq!(next(rollout), Some(Output::Mark));
    assert_eq!(rollout.poll_timeout(), Some(Duration::from_secs(10)));
    rollout.handle(Input::Tick, Duration::from_millis(9_999));
    assert_eq!(next(rollout), None);
    rollout.handle(Input::Tick, Duration::from_secs(10));
    assert_eq!(next(rollout), Some(Output::Observe { until }));
    let mut others = Sample::default();
    others.nodes = 1;
    rollout.handle(Input::Observed { changed, others }, Duration::ZERO);
}

#[test]
fn a_canary_then_waves_then_it_waits_to_be_finalized() {
    let mut rollout = Rollout::new(Record::new(plan(4)));
    prepare(&mut rollout, 4);
    for (wave, until) in [(0..1, 1), (1..3, 3), (3..4, 4)] {
        wave.for_each(|node| change(&mut rollout, node));
        soak(&mut rollout, until, Sample::default());
    }
    assert_eq!(next(&mut rollout), None);
    assert_eq!(rollout.record().stage, Stage::CodeComplete);
    assert!(rollout.is_idle() && !rollout.is_over());
    rollout.handle(Input::Steered(Steering::Finalize), Duration::ZERO);
    for node in 0..4 {
        assert_eq!(next(&mut rollout), Some(Output::Finalize { node }));
        rollout.handle(Input::Done { node }, Duration::ZERO);
    }
    assert_eq!(next(&mut rollout), None);
    assert!(rollout.is_over() && rollout.record().stage == Stage::Done);
}

#[test]
fn a_bad_canary_is_taken_back_first_and_the_others_lose_the_release() {
    let mut rollout = Rollout::new(Record::new(plan(3)));
    prepare(&mut rollout, 3);
    change(&mut rollout, 0);
    let mut bad = Sample::default();
    (bad.nodes, bad.crashes) = (1, 1);
    soak(&mut rollout, 1, bad);
    // One that cannot be reached is tried again, after the others.
    let restore = |node: usize| Output::Restore { node, runs: Some(format!("{node}")) };
    assert_eq!(next(&mut rollout), Some(restore(0)));
    let failed = Input::Failed { node: 0, why: "it is away".into() };
    rollout.handle(failed, Duration::ZERO);
    assert_eq!(next(&mut rollout), None);
    for node in [1, 2, 0] {
        rollout.handle(Input::Tick, Duration::from_secs(1));
        assert_eq!(next(&mut rollout), Some(restore(node)));
        rollout.handle(Input::Done { node }, Duration::ZERO);
    }
    assert_eq!(next(&mut rollout), None);
    let Stage::RolledBack { why } = &rollout.record().stage else { panic!() };
    assert_eq!(why, "it crashed 1 times");
}

#[test]
fn an_operator_pauses_between_two_steps_and_aborts_until_it_is_finalized() {
    let mut rollout = Rollout::new(Record::new(plan(2)));
    prepare(&mut rollout, 2);
    assert_eq!(next(&mut rollout), Some(Output::Change { node: 0 }));
    rollout.handle(Input::Steered(Steering::Pause), Duration::ZERO);
    assert_eq!(next(&mut rollout), None);
    rollout.handle(Input::Done { node: 0 }, Duration::ZERO);
    assert_eq!(next(&mut rollout), None);
    assert!(rollout.record().is_paused && rollout.is_idle());
    // Another controller finds it paused.
    let mut rollout = Rollout::new(rollout.record().clone());
    assert_eq!(next(&mut rollout), None);
    rollout.handle(Input::Steered(Steering::Finalize), Duration::ZERO);
    assert_eq!(next(&mut rollout), None, "not before all nodes are changed");
    rollout.handle(Input::Steered(Steering::Resume), Duration::ZERO);
    soak(&mut rollout, 1, Sample::default());
    change(&mut rollout, 1);
    soak(&mut rollout, 2, Sample::default());
    assert_eq!(next(&mut rollout), None);
    rollout.handle(Input::Steered(Steering::Finalize), Duration::ZERO);
    assert_eq!(next(&mut rollout), Some(Output::Finalize { node: 0 }));
    rollout.handle(Input::Steered(Steering::Abort("too late".into())), Duration::ZERO);
    rollout.handle(Input::Done { node: 0 }, Duration::ZERO);
    assert_eq!(next(&mut rollout), Some(Output::Finalize { node: 1 }));
}

#[test]
fn who_was_overtaken_does_nothing_more() {
    let mut rollout = Rollout::new(Record::new(plan(2)));
    assert!(matches!(rollout.poll_output(), Some(Output::Store(_))));
    rollout.handle(Input::Fenced, Duration::ZERO);
    rollout.handle(Input::Stored, Duration::ZERO);
    assert_eq!(rollout.poll_output(), None);
    assert!(rollout.is_over());
}

#[test]
fn a_plan_has_nodes_and_each_of_them_once() {
    let hash = Hash::of(b"35");
    let two = || vec!["a".to_owned(), "b".to_owned()];
    assert_eq!(Plan::new(hash, Vec::new()), Err(PlanError::Nodes(0)));
    let many = (0..10_001).map(|node| node.to_string()).collect();
    assert_eq!(Plan::new(hash, many), Err(PlanError::Nodes(10_001)));
    let twice = vec!["a".to_owned(), "b".to_owned(), "a".to_owned()];
    assert_eq!(Plan::new(hash, twice), Err(PlanError::Twice("a".into())));
    let mut plan = Plan::new(hash, two()).unwrap();
    plan.canary = 0;
    assert_eq!(plan.checked(), Err(PlanError::Empty));
    assert_eq!(Gates::default().max_losses, 0);
}
