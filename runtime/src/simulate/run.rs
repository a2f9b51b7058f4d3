//! Simulated devices on real UDP sockets, one socket each, for a server knows devices by their address.

use std::future::pending;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::{Device, DeviceConfig, Happening};

/// How long a leaving device waits for the answer.
const FAREWELL: Duration = Duration::from_secs(3);

/// Makes the payload of report n, from 0.
pub type MakePayload = Box<dyn FnMut(u32) -> Vec<u8> + Send>;
/// Takes a downlink; what it returns is reported at once, such as the response to a command.
pub type TakeDownlink = Box<dyn FnMut(&[u8]) -> Vec<Vec<u8>> + Send>;

/// A device and what it says.
pub struct SimulatedDevice {
    /// What kind of device.
    pub config: DeviceConfig,
    /// Reports this often, the first one at once.
    pub period: Duration,
    /// What it reports.
    pub payload: MakePayload,
    /// What it answers.
    pub on_downlink: TakeDownlink,
    /// Deregisters when it is stopped, instead of falling silent.
    pub deregister: bool,
}

impl std::fmt::Debug for SimulatedDevice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SimulatedDevice").field("config", &self.config).field("period", &self.period).finish_non_exhaustive()
    }
}

/// A happening and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reported {
    /// `ep`
    pub endpoint: Arc<str>,
    /// What.
    pub happening: Happening,
}

/// Runs the devices until `stop` becomes true or its sender is gone. `seed` and a device's place in the list make its random
/// numbers. Happenings go to `watcher`, and a full channel holds the device up; a closed one is nothing.
///
/// # Errors
/// The first error of a socket: it cannot be bound (too many open files) or not be used. An unreachable server is no error:
/// the device tries again.
pub async fn run(
    server: SocketAddr,
    seed: [u8; 32],
    devices: Vec<SimulatedDevice>,
    watcher: mpsc::Sender<Reported>,
    stop: watch::Receiver<bool>,
) -> io::Result<()> {
    let mut tasks = JoinSet::new();
    for (place, device) in devices.into_iter().enumerate() {
        let seed = *blake3::Hasher::new_keyed(&seed).update(&place.to_le_bytes()).finalize().as_bytes();
        let local: SocketAddr =
            if server.is_ipv4() { (Ipv4Addr::UNSPECIFIED, 0).into() } else { (Ipv6Addr::UNSPECIFIED, 0).into() };
        let socket = UdpSocket::bind(local).await?;
        socket.connect(server).await?;
        tasks.spawn(live(socket, seed, device, watcher.clone(), stop.clone()));
    }
    while let Some(ended) = tasks.join_next().await {
        ended.map_err(io::Error::other)??;
    }
    Ok(())
}

async fn live(
    socket: UdpSocket,
    seed: [u8; 32],
    mut simulated: SimulatedDevice,
    watcher: mpsc::Sender<Reported>,
    mut stop: watch::Receiver<bool>,
) -> io::Result<()> {
    let endpoint: Arc<str> = simulated.config.endpoint.as_str().into();
    let mut device = Device::new(simulated.config.clone(), seed);
    let mut report_at = Some(Instant::now());
    let mut n = 0;
    let mut buffer = vec![0; 2_048];
    device.start(Instant::now().into_std());
    loop {
        let gone = speak(&socket, &mut device, &mut simulated, &endpoint, &watcher, &mut stop).await?;
        if gone {
            break;
        }
        let timer = device.poll_timeout().map(Instant::from_std);
        tokio::select! {
            () = until(timer) => device.handle_timeout(Instant::now().into_std()),
            () = until(report_at) => {
                device.report(Instant::now().into_std(), (simulated.payload)(n));
                n += 1;
                report_at = Instant::now().checked_add(simulated.period);
            }
            received = socket.recv(&mut buffer) => hear(&mut device, &buffer, received)?,
            _ = stop.wait_for(|stop| *stop) => break,
        }
    }
    if simulated.deregister {
        // Best effort: a server that is gone as well does not answer.
        let _ = timeout(FAREWELL, farewell(&socket, &mut device, &endpoint, &watcher)).await;
    }
    Ok(())
}

/// Sends what is to be sent and tells what happened. True when it was told to stop meanwhile.
async fn speak(
    socket: &UdpSocket,
    device: &mut Device,
    simulated: &mut SimulatedDevice,
    endpoint: &Arc<str>,
    watcher: &mpsc::Sender<Reported>,
    stop: &mut watch::Receiver<bool>,
) -> io::Result<bool> {
    loop {
        flush(socket, device).await?;
        let Some(happening) = device.poll_happening() else { return Ok(false) };
        if let Happening::Downlink { payload } = &happening {
            for response in (simulated.on_downlink)(payload) {
                device.report(Instant::now().into_std(), response);
            }
        }
        flush(socket, device).await?;
        tokio::select! {
            _ = watcher.send(Reported { endpoint: Arc::clone(endpoint), happening }) => {}
            _ = stop.wait_for(|stop| *stop) => return Ok(true),
        }
    }
}

async fn farewell(
    socket: &UdpSocket,
    device: &mut Device,
    endpoint: &Arc<str>,
    watcher: &mpsc::Sender<Reported>,
) -> io::Result<()> {
    let mut buffer = vec![0; 2_048];
    device.leave(Instant::now().into_std());
    loop {
        flush(socket, device).await?;
        while let Some(happening) = device.poll_happening() {
            let over = matches!(happening, Happening::Deregistered | Happening::Refused { .. });
            // Nobody may be watching any more.
            let _ = watcher.try_send(Reported { endpoint: Arc::clone(endpoint), happening });
            if over {
                return Ok(());
            }
        }
        let Some(timer) = device.poll_timeout().map(Instant::from_std) else { return Ok(()) };
        tokio::select! {
            () = sleep_until(timer) => device.handle_timeout(Instant::now().into_std()),
            received = socket.recv(&mut buffer) => hear(device, &buffer, received)?,
        }
    }
}

async fn flush(socket: &UdpSocket, device: &mut Device) -> io::Result<()> {
    while let Some(datagram) = device.poll_transmit() {
        absent(socket.send(&datagram).await)?;
    }
    Ok(())
}

fn hear(device: &mut Device, buffer: &[u8], received: io::Result<usize>) -> io::Result<()> {
    if let Some(datagram) = absent(received)?.and_then(|length| buffer.get(..length)) {
        device.handle_datagram(Instant::now().into_std(), datagram);
    }
    Ok(())
}

/// A server that does not listen right now is what retransmission is for.
fn absent(outcome: io::Result<usize>) -> io::Result<Option<usize>> {
    match outcome {
        Ok(length) => Ok(Some(length)),
        Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset) => Ok(None),
        Err(error) => Err(error),
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => pending().await,
    }
}
