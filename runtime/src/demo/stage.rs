//! Setting up: codecs, gateway, products, the receiver's subscription; and the words that introduce it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::Options;
use crate::api;
use crate::app::Gateway;
use crate::catalog::{CatalogError, NewProduct};
use crate::cli::build::build_component;
use crate::clock;
use crate::config::Config;
use crate::model::{Blueprint, DeviceId, EndpointFormat, PowerMode, ProductId, Scope, Secret, Subscription, Work};
use crate::profile::Profile;
use crate::store::{Commit, Write};

/// The sample codecs that take part.
pub(super) const PLUGINS: [&str; 2] = ["water-meter", "smoke-detector"];

/// The gateway with its products, before devices come.
pub(super) struct Stage {
    pub(super) gateway: Gateway,
    pub(super) products: Vec<ProductId>,
}

impl Stage {
    pub(super) async fn build(options: &Options) -> anyhow::Result<Self> {
        let plugins = plugins_folder()?;
        let mut components = Vec::new();
        for plugin in PLUGINS {
            println!("building the codec {plugin} (the first time takes a minute) ...");
            let (folder, target) = (plugins.join(plugin), plugins.join("../target/codecs"));
            let built = tokio::task::spawn_blocking(move || build_component(&folder, &target)).await??;
            let component = std::fs::read(&built).with_context(|| format!("cannot read {}", built.display()))?;
            println!("  {} ({} KiB)", built.display(), component.len().div_ceil(1024));
            components.push(component);
        }
        let gateway = start(&options.data).await?;
        let mut products = Vec::new();
        for (plugin, component) in PLUGINS.into_iter().zip(components) {
            products.push(
                add_product(&gateway, &plugins.join(plugin), component).await.with_context(|| format!("product {plugin}"))?,
            );
        }
        Ok(Self { gateway, products })
    }

    /// Starts the webhook receiver and subscribes it to everything.
    pub(super) async fn receiver(
        &self,
        deliveries: mpsc::Sender<String>,
        mut stopping: watch::Receiver<bool>,
    ) -> anyhow::Result<JoinSet<()>> {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
        let url = format!("http://{}/events", listener.local_addr()?);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let end = async move { drop(stopping.wait_for(|stop| *stop).await) };
            if let Err(error) = api::serve(listener, api::receiver(deliveries), end).await {
                tracing::error!(%error, "the demo's receiver failed");
            }
        });
        let parts = self.gateway.parts();
        // An earlier demo on this folder left a subscription to a receiver that is gone.
        for old in parts.store.subscriptions()? {
            parts.store.commit(Commit { events: Vec::new(), writes: vec![Write::DeleteSubscription(old.id)] }).await?;
        }
        let subscription = Subscription {
            id: parts.store.next_subscription_id(),
            url,
            secret: Secret::new("demo-secret"),
            scope: Scope::All,
            kinds: Vec::new(),
            created: clock::wall(),
        };
        let mut writes = vec![Write::PutSubscription(subscription.clone())];
        writes.extend(parts.store.last_event().map(|last| Write::PutCursor(subscription.id, last)));
        parts.store.commit(Commit { events: Vec::new(), writes }).await?;
        parts.pusher.reload().await?;
        Ok(tasks)
    }

    /// Sends the command that the demo follows.
    pub(super) async fn command(&self, device: DeviceId) -> anyhow::Result<()> {
        let (service, name) = super::frames::COMMAND;
        let params = super::frames::command_params();
        let what = Work::Named { service: service.to_owned(), name: name.to_owned(), params: params.clone() };
        self.gateway.parts().desk.create(device, Blueprint::new(what, 3_600), clock::wall()).await?;
        println!(
            "\n>> command {service}.{name} {params} for device {device}: it sleeps, so the command waits until it reports\n"
        );
        Ok(())
    }

    /// Says where everything is.
    pub(super) fn introduce(&self, options: &Options) {
        let (http, key) = (self.gateway.http_addr(), self.gateway.key());
        println!(
            "\ncodecgate is running on the data folder {}\n  devices  coap://{}\n  API      http://{http}/api/v1\n  key      {key}\n\ntry:\n  \
             curl -H 'authorization: Bearer {key}' http://{http}/api/v1/devices\n  \
             curl -H 'authorization: Bearer {key}' 'http://{http}/api/v1/devices/1/uplinks?limit=2'\n  \
             curl -N -H 'authorization: Bearer {key}' http://{http}/api/v1/events\n",
            options.data.display(),
            self.gateway.coap_addr(),
        );
    }
}

/// The demo builds the sample codecs, so it needs the source tree that it was built from.
fn plugins_folder() -> anyhow::Result<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins");
    if !folder.is_dir() {
        bail!("the demo builds the sample codecs and needs the source tree; {} is gone: run it from a clone", folder.display());
    }
    Ok(folder.canonicalize()?)
}

/// On the usual ports if they are free, else on free ones: a demo should not fail because something else runs.
async fn start(data: &Path) -> anyhow::Result<Gateway> {
    let mut config = Config { data_dir: data.to_owned(), ..Config::default() };
    config.coap.listen = SocketAddr::from(([127, 0, 0, 1], config.coap.listen.port()));
    config.http.listen = SocketAddr::from(([127, 0, 0, 1], config.http.listen.port()));
    if std::net::UdpSocket::bind(config.coap.listen).is_err() {
        config.coap.listen.set_port(0);
    }
    if std::net::TcpListener::bind(config.http.listen).is_err() {
        config.http.listen.set_port(0);
    }
    Gateway::start(&config).await
}

/// Adds a sample product, or takes the one that an earlier demo left; installs the codec that was just built.
async fn add_product(gateway: &Gateway, folder: &Path, component: Vec<u8>) -> anyhow::Result<ProductId> {
    let path = folder.join("profile.json");
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let profile = Profile::parse("profile.json", &text).map_err(|mistakes| anyhow::anyhow!("{mistakes:#?}"))?;
    let parts = gateway.parts();
    let key = profile.key();
    let new = NewProduct {
        profile,
        endpoint_format: EndpointFormat::Imei,
        power_mode: PowerMode::Psm,
        habits: Default::default(),
        observe: Vec::new(),
    };
    let id = match parts.catalog.create(new, clock::wall()).await {
        Ok(product) => product.id,
        Err(CatalogError::Exists(_)) => parts.store.product_by_key(&key)?.context("a product that exists is there")?.doc.id,
        Err(error) => return Err(error.into()),
    };
    let record = parts.catalog.install(id, component, clock::wall()).await?;
    println!("product {id}: {key} with codec {} {}", record.name, record.version);
    Ok(id)
}
