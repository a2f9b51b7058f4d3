//! Shared pieces of the system tests: a whole gateway in process, its API from outside, a webhook receiver.
//!
//! Everything is real: UDP and TCP on port 0, components through the codec host, sled in a folder of its own.
#![expect(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test stops at any surprise")]

mod binary;
mod device;
pub mod fuzz;
mod http;
pub mod meter;
mod sink;
mod wait;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use codecgate::config::Config;
use codecgate::model::{ProductKey, Secret};
use codecgate::package::{Manifest, Package, Parts, Wishes};
use serde_json::{Value, json};
use tempfile::TempDir;

pub use binary::{Binary, tell};
pub use device::{RawDevice, reply, uri};
pub use http::{Answer, Api};
pub use sink::{Behaviour, Received, Sink};
pub use wait::{eventually, eventually_within, patience};

/// The key of every test gateway.
pub const KEY: &str = "test-key-0123456789abcdef";

/// The repository's root.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The component of a sample codec, built through the path that authors use.
///
/// # Panics
/// When it does not build.
#[must_use]
pub fn component(plugin: &str) -> Vec<u8> {
    component_of(&root().join("plugins").join(plugin))
}

/// The package of a sample codec with another profile beside it, and with the sample's vectors.
///
/// # Panics
/// When it cannot be packed.
#[must_use]
pub fn package(plugin: &str, component: Vec<u8>, profile: &Value) -> Vec<u8> {
    let folder = root().join("plugins").join(plugin).join("vectors");
    let document = |entry: std::io::Result<std::fs::DirEntry>| {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        (name, std::fs::read_to_string(path).expect("the vectors are readable"))
    };
    let vectors = std::fs::read_dir(folder).expect("the vectors are there").map(document).collect();
    let text = |member: &str| profile[member].as_str().expect("a name").to_owned();
    let product = ProductKey { manufacturer_id: text("manufacturerId"), model: text("model") };
    let (version, interface) = ("0.1.0".to_owned(), "1.0.0".to_owned());
    let manifest = Manifest { product, version, interface, wishes: Wishes::default() }.to_toml();
    let parts = Parts { manifest, component, profile: profile.to_string(), vectors, layout: None };
    Package::new(parts).expect("it can be packed").write().expect("it is not too large")
}

/// The same code under another digest: a section that nothing reads is added (WebAssembly core, custom sections).
#[must_use]
pub fn variant(component: &[u8], number: u32) -> Vec<u8> {
    let mut variant = component.to_vec();
    variant.extend([0, 9, 4]);
    variant.extend(b"test");
    variant.extend(number.to_be_bytes());
    variant
}

/// The component of the codec that means no good (`tests/hostile-codec`).
///
/// # Panics
/// When it does not build.
#[must_use]
pub fn hostile_component() -> Vec<u8> {
    component_of(&root().join("tests/hostile-codec"))
}

/// The same codec with a `decode` that does something else with every payload: `trap`, `deaf` (refuses), `more` (adds 1,000).
///
/// # Panics
/// When it does not build, or has no such place.
#[must_use]
pub fn hostile_variant(mode: &str) -> Vec<u8> {
    let mut component = hostile_component();
    let place = b"decode-mode:";
    let at = component.windows(place.len()).position(|window| window == place).expect("the codec can be told");
    component[at + place.len()..][..4].copy_from_slice(&mode.as_bytes()[..4]);
    component
}

fn component_of(folder: &Path) -> Vec<u8> {
    static ONE_AT_A_TIME: OnceLock<std::sync::Mutex<()>> = OnceLock::new();
    let _turn = ONE_AT_A_TIME.get_or_init(Default::default).lock();
    let built = codecgate::cli::build::build_component(folder, &root().join("target/codecs"));
    std::fs::read(built.expect("the codec builds")).expect("the component is readable")
}

/// The profile that lies beside a sample codec.
///
/// # Panics
/// When it cannot be read.
#[must_use]
pub fn profile(plugin: &str) -> Value {
    let path = root().join("plugins").join(plugin).join("profile.json");
    serde_json::from_slice(&std::fs::read(path).expect("the profile is readable")).expect("the profile is JSON")
}

/// A gateway in this process, on free ports, with a data folder of its own.
pub struct Gateway {
    running: Option<codecgate::app::Gateway>,
    config: Config,
    _folder: TempDir,
}

impl Gateway {
    /// Starts one with the defaults.
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// Starts one with a changed configuration.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut config = Config { data_dir: folder.path().join("data"), ..Config::default() };
        config.coap.listen = SocketAddr::from(([127, 0, 0, 1], 0));
        config.http.listen = SocketAddr::from(([127, 0, 0, 1], 0));
        config.http.keys = vec![Secret::new(KEY)];
        config.webhook.retry_min = std::time::Duration::from_millis(50);
        change(&mut config);
        let running = codecgate::app::Gateway::start(&config).await.expect("the gateway starts");
        Self { running: Some(running), config, _folder: folder }
    }

    /// Stops it in order and starts it again on the same folder and ports.
    ///
    /// # Panics
    /// When it does not stop or start.
    pub async fn restart(&mut self) {
        self.config.coap.listen = self.coap_addr();
        self.config.http.listen = self.running().http_addr();
        if let Some(running) = self.running.take() {
            running.stop().await.expect("the gateway stops");
        }
        self.running = Some(codecgate::app::Gateway::start(&self.config).await.expect("the gateway starts again"));
    }

    /// Stops it in order.
    ///
    /// # Panics
    /// When it does not stop.
    pub async fn stop(mut self) {
        if let Some(running) = self.running.take() {
            running.stop().await.expect("the gateway stops");
        }
    }

    fn running(&self) -> &codecgate::app::Gateway {
        self.running.as_ref().expect("it runs")
    }

    /// Its data folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.running().folder()
    }

    /// Where devices are heard.
    #[must_use]
    pub fn coap_addr(&self) -> SocketAddr {
        self.running().coap_addr()
    }

    /// `http://127.0.0.1:PORT`
    #[must_use]
    pub fn http_url(&self) -> String {
        format!("http://{}", self.running().http_addr())
    }

    /// A key that opens the API.
    #[must_use]
    pub fn key(&self) -> &str {
        KEY
    }

    /// The API, asked over real HTTP.
    #[must_use]
    pub fn api(&self) -> Api {
        Api::new(self.http_url(), KEY)
    }

    /// What tools over a gateway may touch directly.
    #[must_use]
    pub fn parts(&self) -> &codecgate::app::Parts {
        self.running().parts()
    }

    /// Adds a sample product with its codec over the API; returns its number.
    pub async fn add_product(&self, plugin: &str, settings: Value) -> u64 {
        let api = self.api();
        let mut body = json!({ "profile": profile(plugin), "endpointFormat": "any", "powerMode": "psm" });
        if let (Some(body), Some(settings)) = (body.as_object_mut(), settings.as_object()) {
            body.extend(settings.clone());
        }
        let product = api.post("/api/v1/products", &body).await.expect(201);
        let id = product["id"].as_u64().expect("a product has a number");
        api.put(&format!("/api/v1/products/{id}/codec"), component(plugin), "application/wasm").await.expect(200);
        id
    }

    /// Adds a device over the API; returns its number.
    pub async fn add_device(&self, product: u64, endpoint: &str) -> u64 {
        let body = json!({ "endpoint": endpoint, "productId": product });
        let device = self.api().post("/api/v1/devices", &body).await.expect(201);
        device["id"].as_u64().expect("a device has a number")
    }
}
