//! The store is away, or the way to it is bad, and nobody has to do anything but mend it.

use std::time::Duration;

use landfall_testkit::{Fault, FaultProxy, Instance, ObjectStore, Signal};

use crate::load::Load;
use crate::{
    Lake, accept, config, prepare, start, stop_in_order, wait_for_warning, wait_until_landed,
    wait_until_tried, warnings,
};

/// What a store or a network does, and what the operator has to read then: one of these.
fn faults() -> [(Fault, &'static [&'static str]); 9] {
    const BROKEN: &[&str] = &[
        "Connection reset",
        "Broken pipe",
        "connection closed before message completed",
    ];
    [
        (Fault::INTERNAL_ERROR, &["500 Internal Server Error"]),
        (Fault::SLOW_DOWN, &["the store asks for fewer requests"]),
        (Fault::ACCESS_DENIED, &["access is denied"]),
        (Fault::NO_SUCH_BUCKET, &["there is no such bucket"]),
        (Fault::Refuse, BROKEN),
        (Fault::ResetRequest(200), BROKEN),
        (Fault::ResetAnswer(0), BROKEN),
        (Fault::HalfClose(20), BROKEN),
        (Fault::Stall, &["timed out"]),
    ]
}

/// Faults that the store's client gets over by itself, so that nobody has to read anything.
fn nuisances() -> [Fault; 4] {
    [
        Fault::EveryNth(2, Box::new(Fault::INTERNAL_ERROR)),
        Fault::EveryNth(2, Box::new(Fault::ResetAnswer(0))),
        Fault::EveryNth(3, Box::new(Fault::ResetRequest(300))),
        Fault::Delay(Duration::from_millis(300)),
    ]
}

/// The service before the shared store, with a proxy between them and load on it.
struct Setup {
    store: std::sync::Arc<ObjectStore>,
    proxy: FaultProxy,
    lake: Lake,
    config: std::path::PathBuf,
    load: Load,
    /// What was accepted beside the load.
    accepted: Vec<String>,
}

impl Setup {
    fn start(prefix: &str) -> (Self, Instance) {
        let store = ObjectStore::shared();
        let proxy = FaultProxy::of(store.address());
        // What stalls is known sooner.
        let config = config(&proxy.endpoint(), prefix, "") + "timeout = \"2s\"\n";
        let (landfall, config) = prepare(&config);
        let load = Load::start("load", landfall.source());
        let setup = Self {
            store,
            proxy,
            lake: Lake::new(prefix),
            load,
            accepted: Vec::new(),
            config: config.clone(),
        };
        let mut instance = start(landfall, &config);
        // What becomes of the probe is not the question here.
        wait_until_tried(&mut instance);
        (setup, instance)
    }

    /// Everything that was accepted so far lands.
    #[track_caller]
    fn wait_until_landed(&mut self, instance: &mut Instance) {
        let count = self.load.accepted() + self.accepted.len();
        wait_until_landed(instance, &self.store, &mut self.lake, count);
    }

    #[track_caller]
    fn accept(&mut self, instance: &Instance) {
        let name = format!("beside-{}", self.accepted.len());
        self.accepted.extend(accept(instance, &name, 20));
    }

    #[track_caller]
    fn finish(mut self, mut instance: Instance) {
        self.accepted.extend(self.load.stop());
        let count = self.accepted.len();
        println!("{count} events");
        wait_until_landed(&mut instance, &self.store, &mut self.lake, count);
        stop_in_order(instance);
        self.lake.assert_holds_once(&self.store, &self.accepted);
    }
}

#[test]
fn events_are_accepted_whatever_the_store_answers_and_land_by_themselves_when_it_is_mended() {
    let (mut setup, mut instance) = Setup::start("outage/faults");
    for (fault, signs) in faults() {
        let began = std::time::Instant::now();
        println!("{fault:?}");
        setup.proxy.set(fault);
        wait_for_warning(&mut instance, signs);
        setup.accept(&instance);
        setup.load.wait_for(50);
        println!("warned {:?}", began.elapsed());
        setup.proxy.set(Fault::None);
        setup.wait_until_landed(&mut instance);
        instance.wait_until("nothing is warned of", |instance| {
            warnings(instance).is_empty()
        });
        println!("landed {:?}", began.elapsed());
    }
    setup.finish(instance);
}

#[test]
fn a_service_that_is_killed_and_started_while_the_store_fails_loses_nothing() {
    let (mut setup, mut instance) = Setup::start("outage/restarts");
    for (fault, signs) in faults() {
        let began = std::time::Instant::now();
        println!("{fault:?}");
        setup.proxy.set(fault);
        setup.load.wait_for(50);
        let config = setup.config.clone();
        instance = start(instance.kill(), &config);
        println!("started {:?}", began.elapsed());
        setup.accept(&instance);
        wait_for_warning(&mut instance, signs);
        setup.proxy.set(Fault::None);
        setup.wait_until_landed(&mut instance);
        println!("landed {:?}", began.elapsed());
    }
    // What a probe left whose store failed in the middle of it, the next start takes away.
    let config = setup.config.clone();
    let mut instance = start(stop_in_order(instance), &config);
    wait_until_tried(&mut instance);
    setup.finish(instance);
}

#[test]
fn what_passes_with_the_next_attempt_is_no_reason_to_warn() {
    let (mut setup, mut instance) = Setup::start("outage/nuisances");
    for fault in nuisances() {
        println!("{fault:?}");
        setup.proxy.set(fault);
        for _ in 0..2 {
            setup.accept(&instance);
            setup.wait_until_landed(&mut instance);
            assert_eq!(warnings(&instance), Vec::<String>::new());
        }
        assert!(setup.proxy.met() > 0);
    }
    setup.finish(instance);
}

#[test]
fn a_store_that_stops_and_starts_again_under_load_gets_everything_once() {
    let mut store = ObjectStore::start();
    let prefix = "outage/stopped";
    let (landfall, config) = prepare(&config(&store.endpoint(), prefix, ""));
    let load = Load::start("load", landfall.source());
    let mut instance = start(landfall, &config);
    let mut lake = Lake::new(prefix);
    let mut beside = Vec::new();
    wait_until_tried(&mut instance);
    for (round, signal) in [Signal::TERM, Signal::KILL].into_iter().enumerate() {
        wait_until_landed(&mut instance, &store, &mut lake, load.accepted());
        store.stop(signal);
        wait_for_warning(&mut instance, &["nothing listens at the endpoint"]);
        beside.extend(accept(&instance, &format!("beside-{round}"), 20));
        load.wait_for(500);
        store.start_again();
    }
    let mut accepted = load.stop();
    accepted.extend(beside);
    wait_until_landed(&mut instance, &store, &mut lake, accepted.len());
    stop_in_order(instance);
    lake.assert_holds_once(&store, &accepted);
}
