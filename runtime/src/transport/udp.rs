//! CoAP over UDP (RFC 7252): each socket has one thread and one state machine.
//!
//! The thread has its own small reactor, so that a flood of datagrams never starves the API or the webhooks.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::thread::JoinHandle;

use tokio::net::UdpSocket;
use tokio::sync::watch;

use super::Answers;
use crate::clock;
use crate::lwm2m::{Answer, Occurrence, Passed, Place, Remark, Server, Transmit};
use crate::trace::{Kind, Outcome, Tracer, Turn, Whom};

/// Datagrams handled before answers and timers get their turn.
const BURST: usize = 256;
/// Largest UDP payload.
const MAX_DATAGRAM: usize = 65_535;
/// Bytes the kernel may queue for us while a commit is on its way; the kernel grants at most its `rmem_max`.
const SOCKET_BUFFER: usize = 8 << 20;

/// What stops a transport from starting.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// The address is taken or not ours.
    #[error(
        "cannot listen for CoAP on {address}/udp: {source}; is another gateway or LwM2M server running? set coap.listen or --coap"
    )]
    Bind {
        /// Which.
        address: SocketAddr,
        /// The system's reason.
        source: io::Error,
    },
    /// The system refused a thread or a reactor.
    #[error("cannot start the CoAP thread: {0}")]
    Start(#[source] io::Error),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sharing {
    Alone,
    Port,
}

/// A bound socket that does not serve yet.
pub struct CoapSocket {
    socket: std::net::UdpSocket,
    address: SocketAddr,
}

impl CoapSocket {
    /// Binds; port 0 takes a free one.
    ///
    /// # Errors
    /// [`TransportError::Bind`] when the address is busy.
    pub fn bind(address: SocketAddr) -> Result<Self, TransportError> {
        Self::open(address, Sharing::Alone)
    }

    /// Binds so many sockets to one address; the kernel spreads senders over them. Another program on the address is found out,
    /// as with [`CoapSocket::bind`].
    ///
    /// # Errors
    /// [`TransportError::Bind`] when the address is busy, or the system cannot share it.
    pub fn bind_shared(address: SocketAddr, sockets: u8) -> Result<Vec<Self>, TransportError> {
        let alone = Self::bind(address)?;
        if sockets <= 1 {
            return Ok(vec![alone]);
        }
        let address = alone.address;
        drop(alone);
        (0..sockets).map(|_| Self::open(address, Sharing::Port)).collect()
    }

    fn open(address: SocketAddr, sharing: Sharing) -> Result<Self, TransportError> {
        let bind = || -> io::Result<(std::net::UdpSocket, SocketAddr)> {
            let domain = if address.is_ipv4() { socket2::Domain::IPV4 } else { socket2::Domain::IPV6 };
            let socket = socket2::Socket::new(domain, socket2::Type::DGRAM, Some(socket2::Protocol::UDP))?;
            // Larger buffers are a wish; the kernel's maximum may be lower.
            let _ = socket.set_recv_buffer_size(SOCKET_BUFFER);
            let _ = socket.set_send_buffer_size(SOCKET_BUFFER);
            if sharing == Sharing::Port {
                socket.set_reuse_port(true)?;
            }
            socket.set_nonblocking(true)?;
            socket.bind(&address.into())?;
            let socket = std::net::UdpSocket::from(socket);
            let local = socket.local_addr()?;
            Ok((socket, local))
        };
        let (socket, address) = bind().map_err(|source| TransportError::Bind { address, source })?;
        Ok(Self { socket, address })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves on a thread of its own until `stop` turns true. `sink` takes what devices do, or hands it back when it is full:
    /// then the device hears nothing and sends again.
    ///
    /// # Errors
    /// [`TransportError::Start`] when the system gives no thread.
    pub fn serve<S>(
        self,
        server: Server,
        place: Place,
        answers: Answers,
        sink: S,
        tracer: Tracer,
        stop: watch::Receiver<bool>,
    ) -> Result<JoinHandle<()>, TransportError>
    where
        S: FnMut(Occurrence) -> Result<(), Box<Occurrence>> + Send + 'static,
    {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(TransportError::Start)?;
        let guard = runtime.enter();
        let socket = UdpSocket::from_std(self.socket).map_err(TransportError::Start)?;
        drop(guard);
        let index = place.index;
        let (replies, passed, unreported) = (Vec::new(), Vec::new(), VecDeque::new());
        let pump = Pump { socket, server, index, answers, sink, tracer, replies, passed, unreported };
        std::thread::Builder::new()
            .name(format!("coap-{index}"))
            .spawn(move || runtime.block_on(pump.run(stop)))
            .map_err(TransportError::Start)
    }
}

struct Pump<S> {
    socket: UdpSocket,
    server: Server,
    /// Of the server among those that share the address.
    index: u8,
    answers: Answers,
    sink: S,
    tracer: Tracer,
    replies: Vec<Answer>,
    passed: Vec<Passed>,
    /// What no device would repeat (a delivery, an expiry): kept until the flows take it; bounded by the devices.
    unreported: VecDeque<Occurrence>,
}

impl<S: FnMut(Occurrence) -> Result<(), Box<Occurrence>>> Pump<S> {
    async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut buffer = vec![0_u8; MAX_DATAGRAM];
        let answers = self.answers.clone();
        while !*stop.borrow() {
            let timeout = self.server.poll_timeout();
            tokio::select! {
                _ = stop.changed() => {}
                () = answers.ready(self.index) => {}
                readable = self.socket.readable() => if let Err(error) = readable {
                    tracing::error!(%error, "the CoAP socket failed");
                    return;
                },
                () = sleep_until(timeout) => {}
            }
            self.receive(&mut buffer);
            self.answer();
            self.server.handle_timeout(clock::monotonic(), clock::wall());
            self.report();
            self.transmit().await;
            self.answers.publish(self.index, self.server.counters());
        }
        // What was committed while stopping is still acknowledged: saves the device a retransmission.
        self.answer();
        self.transmit().await;
    }

    fn receive(&mut self, buffer: &mut [u8]) {
        let (now, wall) = (clock::monotonic(), clock::wall());
        for _ in 0..BURST {
            match self.socket.try_recv_from(buffer) {
                Ok((length, peer)) => {
                    let datagram = buffer.get(..length).unwrap_or_default();
                    let before = self.tracer.is_on().then(|| self.server.counters());
                    if before.is_some() {
                        self.tracer.came(peer, |message| self.server.owner(message), datagram);
                    }
                    self.server.handle_datagram(now, wall, peer, datagram);
                    if let Some(before) = before {
                        self.tracer.heard(peer, before, self.server.counters());
                    }
                    self.report();
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // Linux reports an earlier datagram's ICMP answer here; it says nothing about the next datagram.
                Err(error) => tracing::debug!(%error, "receiving a datagram failed"),
            }
        }
    }

    fn answer(&mut self) {
        self.answers.take(self.index, &mut self.replies, &mut self.passed);
        if self.replies.is_empty() && self.passed.is_empty() {
            return;
        }
        let (now, wall) = (clock::monotonic(), clock::wall());
        for reply in self.replies.drain(..) {
            self.server.handle_answer(now, reply);
        }
        for passed in self.passed.drain(..) {
            let peer = match &passed {
                Passed::Datagram { peer, .. } if self.tracer.is_on() => Some((*peer, self.server.counters())),
                _ => None,
            };
            self.server.handle_passed(now, wall, passed);
            if let Some((peer, before)) = peer {
                self.tracer.heard(peer, before, self.server.counters());
            }
        }
    }

    /// Passes on what devices did. What the flows cannot take is forgotten here, and the device sends it again.
    fn report(&mut self) {
        while let Some(earlier) = self.unreported.pop_front() {
            if let Err(refused) = (self.sink)(earlier) {
                self.unreported.push_front(*refused);
                break;
            }
        }
        while let Some(remark) = self.server.poll_remark() {
            remarked(&remark);
            self.trace(&remark);
        }
        while let Some(occurrence) = self.server.poll_occurrence() {
            let Err(refused) = (self.sink)(occurrence) else { continue };
            let ticket = match &*refused {
                Occurrence::Register(request) => request.ticket,
                Occurrence::Uplink(uplink) | Occurrence::Resources(uplink, _) => uplink.ticket,
                Occurrence::Update { ticket, .. } | Occurrence::Deregister { ticket, .. } => *ticket,
                _ => {
                    self.unreported.push_back(*refused);
                    continue;
                }
            };
            self.server.handle_answer(clock::monotonic(), Answer::Forget { ticket });
        }
    }

    /// What a remark says of a device that is traced.
    fn trace(&self, remark: &Remark) {
        let (whom, kind, words) = match remark {
            Remark::Refused { peer, why } => (Whom::Peer(*peer), Kind::Message, format!("refused: {why}")),
            Remark::NotObserved { device, path, why } => {
                let words = format!("the device does not let {path} be observed: {why}; what it reports there cannot come");
                (Whom::Device(*device), Kind::Registration, words)
            }
            _ => return,
        };
        self.tracer.note(whom, kind, Outcome::Failed, Turn::Device, || words);
    }

    async fn transmit(&mut self) {
        while let Some((to, passed)) = self.server.poll_passed() {
            self.answers.pass(to, passed);
        }
        while let Some(Transmit { peer, datagram }) = self.server.poll_transmit() {
            if self.tracer.is_on() {
                self.tracer.leaves(peer, |message| self.server.owner(message), &datagram);
            }
            let sent = match self.socket.try_send_to(&datagram, peer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.socket.send_to(&datagram, peer).await,
                other => other,
            };
            // UDP may lose it anyway: retransmission repairs both.
            if let Err(error) = sent {
                tracing::debug!(%error, %peer, "sending a datagram failed");
            }
        }
    }
}

/// What concerns a device of ours is a warning; what strangers send is only for who looks closely, it could flood the log.
fn remarked(remark: &Remark) {
    match remark {
        Remark::NotObserved { device, path, why } => {
            tracing::warn!(%device, path, why, "the device does not let this be observed: what it reports there cannot come");
        }
        Remark::Partial { device, path, bytes, why } => {
            tracing::warn!(%device, path, bytes, why, "the rest of a notify did not come: nothing of it was stored");
        }
        Remark::Malformed { peer, fault } => tracing::debug!(%peer, ?fault, "malformed datagram"),
        Remark::Refused { peer, why } => tracing::debug!(%peer, why, "refused a request"),
        Remark::UnknownToken { peer } => tracing::debug!(%peer, "a notify with a token that nobody has was reset"),
        Remark::Busy { peer } => tracing::debug!(%peer, "too many messages wait for the store: silence, the device sends again"),
    }
}

async fn sleep_until(moment: Option<std::time::Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment.into()).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_port_is_explained() {
        let first = CoapSocket::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        assert_ne!(first.address().port(), 0);
        let refusal = CoapSocket::bind(first.address()).err().unwrap().to_string();
        assert!(refusal.contains(&first.address().to_string()) && refusal.contains("--coap"), "{refusal}");
        assert!(CoapSocket::bind_shared(first.address(), 2).is_err(), "also where several sockets are to share it");
    }

    #[test]
    fn sockets_share_an_address() {
        let sockets = CoapSocket::bind_shared("127.0.0.1:0".parse().unwrap(), 3).unwrap();
        assert_eq!(sockets.len(), 3);
        assert!(sockets.iter().all(|socket| socket.address() == sockets[0].address()));
    }
}
