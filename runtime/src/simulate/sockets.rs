//! The sockets of a fleet: one each, or a few that devices take turns on. Knows addresses and limits of the system, no CoAP.

use std::future::pending;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use tokio::net::UdpSocket;
use tokio::sync::{Mutex, mpsc};

/// Files that the process has open beside the sockets.
const OTHER_FILES: u64 = 64;
/// Sockets on one of this machine's loopback addresses: there are some 28,000 free ports on each.
const PER_ADDRESS: usize = 20_000;

/// All sockets of a fleet.
pub(super) struct Sockets {
    server: SocketAddr,
    shared: Option<Arc<Pool>>,
}

/// Sockets that are free. What lies in a socket when it is taken was for somebody else.
struct Pool {
    free: Mutex<mpsc::Receiver<UdpSocket>>,
    back: mpsc::Sender<UdpSocket>,
}

/// A device's way to its server.
pub(super) struct Line {
    server: SocketAddr,
    place: usize,
    pool: Option<Arc<Pool>>,
    socket: Option<UdpSocket>,
}

impl Sockets {
    /// Makes room for the sockets of so many devices, and opens those that are shared.
    pub(super) async fn open(server: SocketAddr, devices: usize, shared: Option<usize>) -> io::Result<Self> {
        let count = shared.unwrap_or(devices);
        allow(u64::try_from(count).unwrap_or(u64::MAX))?;
        let Some(count) = shared else { return Ok(Self { server, shared: None }) };
        let (back, free) = mpsc::channel(count.max(1));
        for place in 0..count.max(1) {
            // There is room for each.
            let _ = back.try_send(bound(server, place).await?);
        }
        Ok(Self { server, shared: Some(Arc::new(Pool { free: Mutex::new(free), back })) })
    }

    /// The line of the device at this place.
    pub(super) async fn line(&self, place: usize) -> io::Result<Line> {
        let socket = if self.shared.is_none() { Some(bound(self.server, place).await?) } else { None };
        Ok(Line { server: self.server, place, pool: self.shared.clone(), socket })
    }
}

impl Line {
    /// Sends, on a shared socket if one is free.
    pub(super) async fn send(&mut self, datagram: &[u8]) -> io::Result<usize> {
        if let (None, Some(pool)) = (&self.socket, &self.pool) {
            let socket = pool.free.lock().await.recv().await.ok_or(io::ErrorKind::NotConnected)?;
            let mut stale = [0; 1];
            while !matches!(socket.try_recv(&mut stale), Err(error) if error.kind() == io::ErrorKind::WouldBlock) {}
            self.socket = Some(socket);
        }
        match &self.socket {
            Some(socket) => socket.send(datagram).await,
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// The next datagram; none comes while there is no socket.
    pub(super) async fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match &self.socket {
            Some(socket) => socket.recv(buffer).await,
            None => pending().await,
        }
    }

    /// Whether it holds a socket that others wait for.
    pub(super) fn is_lent(&self) -> bool {
        self.pool.is_some() && self.socket.is_some()
    }

    /// Gives a shared socket back.
    pub(super) fn release(&mut self) {
        if let Some(pool) = &self.pool
            && let Some(socket) = self.socket.take()
        {
            // The channel has room for every socket.
            let _ = pool.back.try_send(socket);
        }
    }

    /// From now on from another address, as behind a NAT that forgot.
    pub(super) async fn renew(&mut self) -> io::Result<()> {
        if self.pool.is_none() {
            // Before the old one is closed: else it might get the same port again.
            self.socket = Some(bound(self.server, self.place).await?);
        }
        Ok(())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.release();
    }
}

async fn bound(server: SocketAddr, place: usize) -> io::Result<UdpSocket> {
    let local = match server.ip() {
        IpAddr::V4(ip) if ip.is_loopback() => {
            let host = u32::from(Ipv4Addr::LOCALHOST) + u32::try_from(place / PER_ADDRESS).unwrap_or_default();
            IpAddr::V4(Ipv4Addr::from(host))
        }
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let socket = UdpSocket::bind((local, 0))
        .await
        .map_err(|error| io::Error::new(error.kind(), format!("socket {} of the fleet cannot be opened: {error}", place + 1)))?;
    socket.connect(server).await?;
    Ok(socket)
}

/// Raises the limit of open files as far as it has to be.
fn allow(sockets: u64) -> io::Result<()> {
    let wanted = sockets.saturating_add(OTHER_FILES);
    let allowed = rlimit::increase_nofile_limit(wanted)?;
    if allowed >= wanted {
        return Ok(());
    }
    let most = allowed.saturating_sub(OTHER_FILES);
    Err(io::Error::other(format!(
        "{sockets} sockets are wanted, and this process may open {most}: raise the hard limit (ulimit -Hn {wanted}), run fewer \
         devices, or let sleeping ones share with --sockets {most}"
    )))
}
