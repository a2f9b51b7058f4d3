//! The composition root: builds every part by constructor, starts every task, and stops them in order.
//!
//! Two gateways can run in one process: nothing here is global. An unasked exit of a part ends the gateway
//! ([`Gateway::failed`]), because a gateway that half runs loses what its users trust it with.

mod key;
mod tasks;

pub use key::seed;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::admission::Bench;
use crate::api::{self, ApiKeys, ApiState, MetricsAccess};
use crate::catalog::{Catalog, Missing};
use crate::clock;
use crate::codec::Host;
use crate::config::Config;
use crate::downlink::{Batches, Desk};
use crate::lwm2m::{Place, Server, ServerConfig};
use crate::model::Secret;
use crate::redecode::Redecoder;
use crate::shadow::{Shadow, ShadowThread};
use crate::shard::{Router, Shards, ShardsConfig};
use crate::store::{Commit, Store};
use crate::trace::Tracer;
use crate::transport::{Answers, CoapSocket};
use crate::watch::Watch;
use crate::webhook::{PushConfig, Pusher};

/// Jobs that may wait for one shard; more is silence, and the devices send again.
const SHARD_QUEUE: usize = 8_192;
/// So much later than the transport a shard gives a downlink up.
const GRACE_MS: u64 = 20_000;

/// A running gateway.
pub struct Gateway {
    coap: SocketAddr,
    http: SocketAddr,
    data: PathBuf,
    keys: Vec<Secret>,
    parts: Parts,
    /// Ends the API and the sweeps.
    stop: watch::Sender<bool>,
    /// Ends the CoAP threads, when everything that they still have to say is known.
    silence: watch::Sender<bool>,
    coap_threads: Vec<JoinHandle<()>>,
    shards: Shards,
    shadow: ShadowThread,
    tasks: JoinSet<&'static str>,
}

/// The parts that tools over a gateway use: the demo, tests. Cheap to clone.
#[derive(Clone)]
pub struct Parts {
    /// Documents and the event log.
    pub store: Store,
    /// Products at work.
    pub catalog: Arc<Catalog>,
    /// Accepts and cancels commands.
    pub desk: Desk,
    /// Leads to the devices' shards.
    pub router: Router,
    /// Pushes events.
    pub pusher: Arc<Pusher>,
}

impl Gateway {
    /// Opens the store, loads the products and serves. Everything that can be refused is refused here.
    ///
    /// # Errors
    /// Busy ports, a data folder in use or damaged, a bad key: each says what to do.
    pub async fn start(config: &Config) -> anyhow::Result<Self> {
        let mut sockets = CoapSocket::bind_shared(config.coap.listen, config.coap.sockets)?;
        let listener = TcpListener::bind(config.http.listen).await.with_context(|| {
            format!("cannot listen for HTTP on {}/tcp; is another program there? set http.listen or --http", config.http.listen)
        })?;
        let coap = sockets.first().map_or(config.coap.listen, CoapSocket::address);
        let http = listener.local_addr()?;

        let data = config.data_dir.clone();
        let now = clock::wall();
        let store = {
            let (data, store_config) = (data.clone(), config.store_config());
            tokio::task::spawn_blocking(move || Store::open(&data, &store_config, now)).await??
        };
        let keys = key::api_keys(&data, &config.http.keys)?;
        let host = Host::new(config.limits(), Some(&data.join("compiled")))?;
        let catalog = {
            let bench = Bench { host: Arc::clone(&host), policy: config.admission_policy() };
            let (store, rules) = (store.clone(), config.catalog_rules());
            tokio::task::spawn_blocking(move || Catalog::open(store, bench, rules)).await??
        };

        let answers = Answers::new(config.coap.sockets);
        let names = key::names(&data)?;
        let tracer = Tracer::default();
        let shards_config = ShardsConfig {
            count: config.workers,
            queue: SHARD_QUEUE,
            moves_per_hour: config.coap.moves_per_hour,
            names: names.clone(),
            seed: seed()?,
            flow: config.flow_limits(),
            tracer: tracer.clone(),
            grace_ms: GRACE_MS,
            ack_ms: ack_ms(config),
            max_retransmit: config.downlink.max_retransmit,
        };
        let (shadow, shadow_thread) = Shadow::start(store.clone(), Arc::clone(&catalog), config.limits())?;
        let parts = (store.clone(), Arc::clone(&catalog));
        let (shards, router) = Shards::start(&shards_config, parts, &host, &shadow, &answers)?;

        let (stop, stopping) = watch::channel(false);
        let (silence, silenced) = watch::channel(false);
        let mut coap_threads = Vec::new();
        for (index, socket) in (0..answers.servers()).zip(sockets.drain(..)) {
            let place = Place { index, count: answers.servers() };
            let server_config = ServerConfig { place, ..config.server_config() };
            let server = Server::new(server_config, names.clone(), seed()?, (clock::monotonic(), clock::wall()));
            let sink = router.clone();
            let sink = move |occurrence| sink.route(occurrence);
            coap_threads.push(socket.serve(server, place, answers.clone(), sink, tracer.clone(), silenced.clone())?);
        }

        let pusher = Arc::new(Pusher::start(store.clone(), PushConfig { tracer, ..config.push_config(clock::wall) })?);
        let desk = Desk::new(store.clone(), Arc::clone(&catalog), router.clone(), config.command_bounds());
        let batches = Batches::new(desk.clone());
        let redecoder = Arc::new(Redecoder::new(store.clone(), Arc::clone(&catalog), host));
        let parts = Parts { store, catalog, desk, router, pusher };
        let mut tasks = JoinSet::new();
        tasks::sweep(&mut tasks, &parts, &stopping);
        tasks::remember(&mut tasks, &parts.store, answers, stopping.clone());
        tasks::silence(&mut tasks, &parts.router, stopping.clone());
        tasks::batches(&mut tasks, batches.clone(), stopping.clone());
        if let Some(policy) = config.rollback_policy() {
            tasks::judge(&mut tasks, &parts.catalog, policy, stopping.clone());
        }
        if let Some(folder) = &config.codec.watch_dir {
            let (endpoint_format, power_mode) = Default::default();
            let create = Missing::Create { endpoint_format, power_mode };
            let missing = if config.codec.watch_create { create } else { Missing::Refuse };
            let watch = Watch::new(folder, Arc::clone(&parts.catalog), parts.store.clone(), missing, clock::wall);
            let watch = watch.with_context(|| format!("cannot use the folder codec.watch_dir, {}", folder.display()))?;
            tasks::watch(&mut tasks, watch, stopping.clone());
        }
        let routes = api::router(ApiState {
            store: parts.store.clone(),
            catalog: Arc::clone(&parts.catalog),
            desk: parts.desk.clone(),
            batches,
            router: parts.router.clone(),
            pusher: Arc::clone(&parts.pusher),
            shadow,
            redecoder,
            keys: Arc::new(ApiKeys::new(&keys)?),
            registration_timeout_s: config.devices.registration_timeout_s,
            clock: clock::wall,
            metrics: if config.http.metrics_open { MetricsAccess::Open } else { MetricsAccess::Keyed },
            stopping: stopping.clone(),
        });
        tasks::serve_http(&mut tasks, listener, routes, stopping);
        tracing::info!(%coap, %http, data = %data.display(), "codecgate {} serves", env!("CARGO_PKG_VERSION"));
        Ok(Self { coap, http, data, keys, parts, stop, silence, coap_threads, shards, shadow: shadow_thread, tasks })
    }

    /// Where devices are heard, UDP.
    #[must_use]
    pub fn coap_addr(&self) -> SocketAddr {
        self.coap
    }

    /// Where the API is, TCP.
    #[must_use]
    pub fn http_addr(&self) -> SocketAddr {
        self.http
    }

    /// The data folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.data
    }

    /// A key that opens the API.
    #[must_use]
    pub fn key(&self) -> &str {
        self.keys.first().map_or("", Secret::expose)
    }

    /// The parts, for tools over a gateway.
    #[must_use]
    pub fn parts(&self) -> &Parts {
        &self.parts
    }

    /// Waits until a part ends unasked, and names it. Cancel-safe.
    pub async fn failed(&mut self) -> &'static str {
        let mut look = tokio::time::interval(std::time::Duration::from_millis(250));
        loop {
            tokio::select! {
                Some(ended) = self.tasks.join_next() => return ended.unwrap_or("a task panicked"),
                _ = self.parts.pusher.failed() => return "a webhook task",
                _ = look.tick() => {
                    if self.coap_threads.iter().any(JoinHandle::is_finished) {
                        return "a CoAP thread";
                    }
                    if self.shards.failed() {
                        return "a shard";
                    }
                    if self.shadow.failed() {
                        return "the shadow thread";
                    }
                    if self.parts.store.health().fatal.is_some() {
                        return "the store";
                    }
                }
            }
        }
    }

    /// Stops in order: no new requests, webhooks keep their cursors, shards finish, what they committed is acknowledged and sent,
    /// then the devices hear nothing more and the store closes.
    ///
    /// # Errors
    /// The store could not write its last page; what was acknowledged is durable all the same.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        self.stop.send_replace(true);
        while self.tasks.join_next().await.is_some() {}
        self.parts.pusher.stop().await;
        let store = self.parts.store.clone();
        tokio::task::spawn_blocking(move || {
            self.shards.stop();
            self.shadow.stop();
            // Everything before this is committed and answered when it returns; a failed store has answered already.
            let _ = store.commit_blocking(Commit::default());
            self.silence.send_replace(true);
            for thread in self.coap_threads {
                if thread.join().is_err() {
                    tracing::error!("a CoAP thread ended in a panic");
                }
            }
            store.close()
        })
        .await??;
        Ok(())
    }
}

/// The longest wait for the acknowledgement of a first transmission, ms: 15 s with the default timers, so 225 s with 3 resends.
fn ack_ms(config: &Config) -> u64 {
    let wait = config.downlink.ack_timeout.mul_f64(config.downlink.ack_random_factor);
    u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_wait_is_that_of_the_faq() {
        assert_eq!(ack_ms(&Config::default()), 15_000);
    }
}
