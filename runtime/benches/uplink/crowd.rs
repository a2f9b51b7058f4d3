//! Very many devices on a few sockets, each device with raw CoAP of its own: registers, answers the Observe, reports when asked to.

use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::net::UdpSocket;
use tokio::task::JoinSet;

use super::rig::FRAME;

/// What a run showed.
pub(crate) struct Run {
    pub(crate) rate: f64,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    pub(crate) resent: u64,
}

/// The devices: the token that each is observed by.
pub(crate) struct Crowd {
    tokens: Arc<[AtomicU64]>,
    sockets: Vec<Arc<UdpSocket>>,
    mid: Arc<AtomicU32>,
}

/// Endpoint client name of a device.
pub(crate) fn name(number: u32) -> String {
    format!("urn:imei:86770300{number:07}")
}

const OBJECTS: &[u8] = b"</1/0>,</3/0>,</19/0>,</19/1>";
const PATIENCE: Duration = Duration::from_secs(2);

impl Crowd {
    /// Room for so many, touched, so that it does not grow later.
    pub(crate) async fn new(devices: usize, sockets: usize) -> Self {
        let tokens: Arc<[AtomicU64]> = (0..devices).map(|_| AtomicU64::new(1)).collect();
        let mut bound = Vec::new();
        for _ in 0..sockets {
            bound.push(Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap()));
        }
        Self { tokens, sockets: bound, mid: Arc::new(AtomicU32::new(1)) }
    }

    /// Registers these, as fast as the sockets go.
    pub(crate) async fn register(&mut self, server: SocketAddr, devices: Range<u32>) -> Run {
        let next = Arc::new(AtomicU32::new(devices.start));
        self.all(server, move |talk| {
            let next = Arc::clone(&next);
            async move {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= devices.end {
                        return talk;
                    }
                    talk.register(number).await;
                }
            }
        })
        .await
    }

    /// Devices at random report for a time.
    pub(crate) async fn report(&mut self, server: SocketAddr, registered: u32, time: Duration, round: u64) -> Run {
        let seed = Arc::new(AtomicU64::new(round << 32));
        let end = Instant::now() + time;
        self.all(server, move |talk| {
            let seed = Arc::clone(&seed);
            async move {
                while Instant::now() < end {
                    let digest = blake3::hash(&seed.fetch_add(1, Ordering::Relaxed).to_le_bytes());
                    let number = u32::from_le_bytes(digest.as_bytes()[..4].try_into().unwrap()) % registered;
                    talk.report(number).await;
                }
                talk
            }
        })
        .await
    }

    /// One device reports once.
    pub(crate) async fn report_once(&self, server: SocketAddr, number: u32) {
        self.talk(server, &self.sockets[0]).report(number).await;
    }

    /// Strangers ask to be let in.
    pub(crate) async fn flood(&mut self, server: SocketAddr, count: u32) -> Run {
        let next = Arc::new(AtomicU32::new(0));
        self.all(server, move |talk| {
            let next = Arc::clone(&next);
            async move {
                while next.fetch_add(1, Ordering::Relaxed) < count {
                    let number = next.load(Ordering::Relaxed);
                    talk.ask(&register(&format!("stranger-{number}"), talk.fresh_mid())).await;
                }
                talk
            }
        })
        .await
    }

    fn talk(&self, server: SocketAddr, socket: &Arc<UdpSocket>) -> Talk {
        Talk {
            socket: Arc::clone(socket),
            server,
            tokens: Arc::clone(&self.tokens),
            mid: Arc::clone(&self.mid),
            times: std::sync::Mutex::default(),
            resent: AtomicU64::new(0),
        }
    }

    /// Runs a task on every socket.
    async fn all<F, Fut>(&mut self, server: SocketAddr, work: F) -> Run
    where
        F: Fn(Arc<Talk>) -> Fut,
        Fut: Future<Output = Arc<Talk>> + Send + 'static,
    {
        let begin = Instant::now();
        let mut tasks = JoinSet::new();
        for socket in &self.sockets {
            tasks.spawn(work(Arc::new(self.talk(server, socket))));
        }
        let (mut times, mut resent) = (Vec::new(), 0);
        while let Some(done) = tasks.join_next().await {
            let talk = done.unwrap();
            times.append(&mut talk.times.lock().unwrap());
            resent += talk.resent.load(Ordering::Relaxed);
        }
        let seconds = begin.elapsed().as_secs_f64();
        times.sort_unstable();
        let at = |part: f64| times.get((times.len() as f64 * part) as usize).copied().unwrap_or_default();
        Run { rate: times.len() as f64 / seconds, p50: at(0.50), p99: at(0.99), resent }
    }
}

/// One socket at work.
struct Talk {
    socket: Arc<UdpSocket>,
    server: SocketAddr,
    tokens: Arc<[AtomicU64]>,
    mid: Arc<AtomicU32>,
    times: std::sync::Mutex<Vec<Duration>>,
    resent: AtomicU64,
}

impl Talk {
    fn fresh_mid(&self) -> u16 {
        self.mid.fetch_add(1, Ordering::Relaxed) as u16
    }

    async fn register(&self, number: u32) {
        let begin = Instant::now();
        let mid = self.fresh_mid();
        let request = register(&name(number), mid);
        let mut buffer = [0_u8; 512];
        self.socket.send_to(&request, self.server).await.unwrap();
        loop {
            let Ok(received) = tokio::time::timeout(PATIENCE, self.socket.recv(&mut buffer)).await else {
                self.resent.fetch_add(1, Ordering::Relaxed);
                self.socket.send_to(&request, self.server).await.unwrap();
                continue;
            };
            let message = &buffer[..received.unwrap()];
            // The Observe: CON GET with a token of 8 bytes.
            if message.len() > 12 && message[0] == 0x48 && message[1] == 0x01 {
                let token: [u8; 8] = message[4..12].try_into().unwrap();
                let reply = [&[0x68, 0x45, message[2], message[3]], &token[..], &[0x60]].concat();
                self.socket.send_to(&reply, self.server).await.unwrap();
                self.tokens[number as usize].store(u64::from_be_bytes(token), Ordering::Relaxed);
                self.times.lock().unwrap().push(begin.elapsed());
                return;
            }
        }
    }

    async fn report(&self, number: u32) {
        let token = self.tokens[number as usize].load(Ordering::Relaxed).to_be_bytes();
        let mid = self.fresh_mid();
        let [high, low] = mid.to_be_bytes();
        let payload = hex::decode(FRAME.trim()).unwrap();
        // CON 2.05, Observe of two bytes, Content-Format 42.
        let head = [0x48, 0x45, high, low];
        let notify = [&head[..], &token, &[0x62, high, low, 0x61, 42, 0xff], &payload].concat();
        self.ask(&notify).await;
    }

    /// Sends until something with the same message id comes back.
    async fn ask(&self, datagram: &[u8]) {
        let begin = Instant::now();
        let mut buffer = [0_u8; 512];
        self.socket.send_to(datagram, self.server).await.unwrap();
        loop {
            match tokio::time::timeout(PATIENCE, self.socket.recv(&mut buffer)).await {
                Ok(Ok(length)) if length >= 4 && buffer[2..4] == datagram[2..4] && buffer[0] & 0x30 != 0 => break,
                Ok(_) => {}
                Err(_) => {
                    self.resent.fetch_add(1, Ordering::Relaxed);
                    self.socket.send_to(datagram, self.server).await.unwrap();
                }
            }
        }
        self.times.lock().unwrap().push(begin.elapsed());
    }
}

/// CON POST /rd?ep=..&lt=86400&lwm2m=1.0&b=U with an object list.
fn register(endpoint: &str, mid: u16) -> Vec<u8> {
    let [high, low] = mid.to_be_bytes();
    let mut datagram = vec![0x42, 0x02, high, low, high, low, 0xb2, b'r', b'd', 0x11, 40];
    let mut delta = 3;
    for query in [format!("ep={endpoint}"), "lt=86400".to_owned(), "lwm2m=1.0".to_owned(), "b=U".to_owned()] {
        let length = query.len();
        if length < 13 {
            datagram.push(delta << 4 | length as u8);
        } else {
            datagram.extend([delta << 4 | 13, (length - 13) as u8]);
        }
        datagram.extend(query.as_bytes());
        delta = 0;
    }
    datagram.push(0xff);
    datagram.extend(OBJECTS);
    datagram
}
