//! The load rig of the benches: a gateway with the water meter, devices that speak raw CoAP, and a bare echo to hold it against.
//!
//! Every device is one socket with one confirmable notify under way, as a real NB-IoT module has it; the same loop drives the
//! echo, so both pay the same for the load. Everything shares the machine's cores.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use coap_lite::{CoapOption, MessageClass, MessageType, Packet, RequestType, ResponseType};
use codecgate::app::Gateway;
use codecgate::catalog::NewProduct;
use codecgate::config::Config;
use codecgate::model::{Device, Endpoint, EndpointFormat, PowerMode, ProductId, Secret, Timestamp};
use codecgate::profile::Profile;
use codecgate::store::{Commit, Expect, Write};
use tokio::net::UdpSocket;

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Builds the water meter's codec through the path that authors use.
pub(crate) fn water_meter() -> Vec<u8> {
    let built = codecgate::cli::build::build_component(&root().join("plugins/water-meter"), &root().join("target/codecs"));
    std::fs::read(built.unwrap()).unwrap()
}

/// Whether the variants of a component wrap one core module, whose code and instances they then share.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    Shared,
    Own,
}

/// The same component under another digest: a custom section that nothing reads is added, outside or inside its first core
/// module (WebAssembly core specification 5.5.3).
pub(crate) fn variant(component: &[u8], number: u32, code: Code) -> Vec<u8> {
    let extra = [&[0, 10, 5][..], b"bench", &number.to_be_bytes()[1..], &[0]].concat();
    if code == Code::Shared {
        return [component, &extra].concat();
    }
    let (mut at, mut variant) = (8, component[..8].to_vec());
    let mut added = false;
    while at < component.len() {
        let id = component[at];
        let (length, start) = leb(component, at + 1);
        let end = start + length;
        let own: &[u8] = if id == 1 && !added { &extra } else { &[] };
        added |= id == 1;
        variant.push(id);
        let mut rest = length + own.len();
        while rest > 0x7f {
            variant.push(u8::try_from(rest & 0x7f).unwrap() | 0x80);
            rest >>= 7;
        }
        variant.push(u8::try_from(rest).unwrap());
        variant.extend(&component[start..end]);
        variant.extend(own);
        at = end;
    }
    variant
}

/// A LEB128 number and where it ends.
fn leb(bytes: &[u8], mut at: usize) -> (usize, usize) {
    let (mut number, mut shift) = (0, 0);
    loop {
        number |= usize::from(bytes[at] & 0x7f) << shift;
        at += 1;
        if bytes[at - 1] & 0x80 == 0 {
            return (number, at);
        }
        shift += 7;
    }
}

/// A gateway on a free port with its own data folder.
pub(crate) async fn gateway(data: &Path, change: impl FnOnce(&mut Config)) -> Gateway {
    let mut config = Config { data_dir: data.to_owned(), ..Config::default() };
    config.coap.listen = "127.0.0.1:0".parse().unwrap();
    config.http.listen = "127.0.0.1:0".parse().unwrap();
    config.http.keys = vec![Secret::new("bench-key-0123456789")];
    // A bench says more in a second than a device may in 20 minutes.
    config.devices.messages = 0;
    change(&mut config);
    Gateway::start(&config).await.unwrap()
}

/// Adds the product `WM20` (as `model`) with its codec.
pub(crate) async fn product(gateway: &Gateway, component: &[u8], model: &str) -> ProductId {
    let text = std::fs::read_to_string(root().join("plugins/water-meter/profile.json")).unwrap();
    let mut document: serde_json::Value = serde_json::from_str(&text).unwrap();
    document["model"] = model.into();
    let profile = Profile::parse("profile.json", &document.to_string()).unwrap();
    let new = NewProduct {
        profile,
        endpoint_format: EndpointFormat::Any,
        power_mode: PowerMode::Psm,
        habits: Default::default(),
        observe: Vec::new(),
    };
    let catalog = &gateway.parts().catalog;
    let product = catalog.create(new, Timestamp(0)).await.unwrap();
    catalog.install(product.id, component.to_vec(), Timestamp(0)).await.unwrap();
    product.id
}

/// Adds devices, called by the name and a number, spread over the products, and registers each.
pub(crate) async fn fleet(gateway: &Gateway, products: &[ProductId], count: usize, name: &str) -> Vec<Wire> {
    let mut wires = Vec::new();
    for (index, product) in products.iter().cycle().take(count).enumerate() {
        let endpoint = format!("{name}-{index}");
        provision(gateway, *product, std::iter::once(endpoint.clone())).await;
        wires.push(Wire::register(gateway.coap_addr(), &endpoint).await);
    }
    wires
}

/// Adds devices in one commit.
pub(crate) async fn provision(gateway: &Gateway, product: ProductId, endpoints: impl Iterator<Item = String>) {
    let store = &gateway.parts().store;
    let device = |endpoint: String| Device {
        id: store.next_device_id(),
        endpoint: Endpoint::new(&endpoint).unwrap(),
        product,
        name: None,
        power_mode: None,
        attributes: Default::default(),
        registration_timeout_s: 0,
        created: Timestamp(0),
    };
    let writes = endpoints.map(|endpoint| Write::PutDevice(device(endpoint), Expect::Absent)).collect();
    store.commit(Commit { events: vec![], writes }).await.unwrap();
}

/// A device's side of the wire.
pub(crate) struct Wire {
    pub(crate) socket: UdpSocket,
    pub(crate) endpoint: String,
    /// Uplinks that were acknowledged, in all drives.
    pub(crate) acked: u64,
    token: Vec<u8>,
    mid: u16,
}

impl Wire {
    /// Registers and answers the Observe of /19/0/0.
    pub(crate) async fn register(server: SocketAddr, endpoint: &str) -> Self {
        Self::register_from(Ipv4Addr::LOCALHOST, server, endpoint).await
    }

    /// The same from another of this machine's 16 million addresses.
    pub(crate) async fn register_from(own: Ipv4Addr, server: SocketAddr, endpoint: &str) -> Self {
        let socket = UdpSocket::bind((own, 0)).await.unwrap();
        socket.connect(server).await.unwrap();
        let mut request = Packet::new();
        request.header.set_type(MessageType::Confirmable);
        request.header.code = MessageClass::Request(RequestType::Post);
        request.header.message_id = 1;
        request.set_token(vec![1, 2]);
        request.add_option(CoapOption::UriPath, b"rd".to_vec());
        for query in [format!("ep={endpoint}"), "lt=86400".into(), "lwm2m=1.0".into(), "b=U".into()] {
            request.add_option(CoapOption::UriQuery, query.into_bytes());
        }
        request.payload = b"</1/0>,</3/0>,</19/0>,</19/1>".to_vec();
        let request = request.to_bytes().unwrap();
        let mut buffer = [0_u8; 2048];
        socket.send(&request).await.unwrap();
        loop {
            let Ok(received) = tokio::time::timeout(Duration::from_secs(2), socket.recv(&mut buffer)).await else {
                socket.send(&request).await.unwrap();
                continue;
            };
            let message = Packet::from_bytes(&buffer[..received.unwrap()]).unwrap();
            if message.header.code == MessageClass::Request(RequestType::Get) {
                let mut reply = Packet::new();
                reply.header.set_type(MessageType::Acknowledgement);
                reply.header.code = MessageClass::Response(ResponseType::Content);
                reply.header.message_id = message.header.message_id;
                reply.set_token(message.get_token().to_vec());
                reply.add_option(CoapOption::Observe, vec![]);
                socket.send(&reply.to_bytes().unwrap()).await.unwrap();
                return Self { socket, endpoint: endpoint.to_owned(), acked: 0, token: message.get_token().to_vec(), mid: 100 };
            }
        }
    }

    /// A device of the echo, which knows no registration.
    pub(crate) async fn unregistered(server: SocketAddr) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.connect(server).await.unwrap();
        Self { socket, endpoint: String::new(), acked: 0, token: vec![7; 8], mid: 100 }
    }

    /// The next confirmable notify with this payload.
    pub(crate) fn notify(&mut self, payload: &[u8]) -> Vec<u8> {
        self.mid = self.mid.wrapping_add(1);
        let mut notify = Packet::new();
        notify.header.set_type(MessageType::Confirmable);
        notify.header.code = MessageClass::Response(ResponseType::Content);
        notify.header.message_id = self.mid;
        notify.set_token(self.token.clone());
        let number = u32::from(self.mid).to_be_bytes();
        notify.add_option(CoapOption::Observe, number[1..].to_vec());
        notify.add_option(CoapOption::ContentFormat, vec![42]);
        notify.payload = payload.to_vec();
        notify.to_bytes().unwrap()
    }
}

/// A frame of the water meter.
pub(crate) const FRAME: &str = include_str!("frame.hex");

/// What a run of load showed.
pub(crate) struct Load {
    /// Acknowledged uplinks per second.
    pub(crate) rate: f64,
    /// Time to the acknowledgement.
    pub(crate) p50: Duration,
    /// Time to the acknowledgement.
    pub(crate) p99: Duration,
    /// Datagrams sent again because nothing came within 2 s.
    pub(crate) resent: u64,
    /// Datagrams that nobody waited for: a second acknowledgement would be one.
    pub(crate) strays: u64,
}

/// Every wire sends, waits for the acknowledgement, sends again, for `time`. `pause` slows each device down.
pub(crate) async fn drive(wires: &mut Vec<Wire>, time: Duration, pause: Option<Duration>) -> Load {
    let payload = hex::decode(FRAME.trim()).unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let (resent, strays) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let begin = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for (index, mut wire) in wires.drain(..).enumerate() {
        let (over, resent, strays, payload) = (Arc::clone(&over), Arc::clone(&resent), Arc::clone(&strays), payload.clone());
        tasks.spawn(async move {
            let mut times = Vec::with_capacity(4096);
            if let Some(pause) = pause {
                tokio::time::sleep(pause.mul_f64(index as f64 % 97.0 / 97.0)).await;
            }
            let mut buffer = [0_u8; 2048];
            while !over.load(Ordering::Relaxed) {
                let datagram = wire.notify(&payload);
                let sent = Instant::now();
                wire.socket.send(&datagram).await.unwrap();
                loop {
                    match tokio::time::timeout(Duration::from_secs(2), wire.socket.recv(&mut buffer)).await {
                        // An acknowledgement of this notify, and nothing else that the gateway may say.
                        Ok(Ok(length)) if length >= 4 && buffer[0] & 0x30 == 0x20 && buffer[2..4] == datagram[2..4] => break,
                        Ok(Ok(_)) => drop(strays.fetch_add(1, Ordering::Relaxed)),
                        _ => {
                            resent.fetch_add(1, Ordering::Relaxed);
                            wire.socket.send(&datagram).await.unwrap();
                        }
                    }
                }
                wire.acked += 1;
                times.push(sent.elapsed());
                if let Some(pause) = pause {
                    tokio::time::sleep(pause).await;
                }
            }
            (wire, times)
        });
    }
    tokio::time::sleep(time).await;
    over.store(true, Ordering::Relaxed);
    let mut all = Vec::new();
    while let Some(done) = tasks.join_next().await {
        let (wire, times) = done.unwrap();
        wires.push(wire);
        all.extend(times);
    }
    let seconds = begin.elapsed().as_secs_f64();
    all.sort_unstable();
    let at = |part: f64| all.get((all.len() as f64 * part) as usize).copied().unwrap_or_default();
    let (resent, strays) = (resent.load(Ordering::Relaxed), strays.load(Ordering::Relaxed));
    Load { rate: all.len() as f64 / seconds, p50: at(0.50), p99: at(0.99), resent, strays }
}

/// A bare UDP server: parses with coap-lite, answers with coap-lite, nothing else. Runs until the process ends.
pub(crate) fn echo() -> SocketAddr {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    socket2::SockRef::from(&socket).set_recv_buffer_size(8 << 20).unwrap();
    socket.set_nonblocking(true).unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let socket = UdpSocket::from_std(socket).unwrap();
            let mut buffer = [0_u8; 2048];
            loop {
                let (length, peer) = socket.recv_from(&mut buffer).await.unwrap();
                let Ok(request) = Packet::from_bytes(&buffer[..length]) else { continue };
                let mut reply = Packet::new();
                reply.header.set_type(MessageType::Acknowledgement);
                reply.header.code = MessageClass::Empty;
                reply.header.message_id = request.header.message_id;
                let _ = socket.try_send_to(&reply.to_bytes().unwrap(), peer);
            }
        });
    });
    address
}

/// The middle one.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Bytes that are resident now; 0 where there is no /proc.
pub(crate) fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(0) * 1_024
}
