//! Simulated devices on real UDP sockets, over a network that is as bad as is asked for. A device has a socket of its own, for a
//! server knows devices by their address; or devices that sleep take turns on a few.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::network::{Conditions, Nat, Network, Rebind};
use super::sockets::{Line, Sockets};
use super::{Device, DeviceConfig, Happening};
use crate::coap::Random;

/// How long a leaving device waits for the answer.
const FAREWELL: Duration = Duration::from_secs(3);
/// Largest datagram that is taken.
const MAX_DATAGRAM: usize = 2_048;

/// Makes the payload of report n, from 0.
pub type MakePayload = Box<dyn FnMut(u32) -> Vec<u8> + Send + Sync>;
/// Takes a downlink; what it returns is reported at once, such as the response to a command.
pub type TakeDownlink = Box<dyn FnMut(&[u8]) -> Vec<Vec<u8>> + Send + Sync>;

/// A device and what it says.
pub struct SimulatedDevice {
    /// What kind of device.
    pub config: DeviceConfig,
    /// It is switched on after this time.
    pub start_after: Duration,
    /// Reports this often, the first one at once.
    pub period: Duration,
    /// Every pause between reports is at most so much shorter or longer.
    pub jitter: Duration,
    /// What it reports.
    pub payload: MakePayload,
    /// What it answers.
    pub on_downlink: TakeDownlink,
    /// When it gets another address.
    pub rebind: Rebind,
    /// Deregisters when it is stopped, instead of falling silent.
    pub deregister: bool,
}

impl SimulatedDevice {
    /// One that starts at once, answers nothing, keeps its address and falls silent in the end.
    #[must_use]
    pub fn new(config: DeviceConfig, period: Duration, payload: MakePayload) -> Self {
        Self {
            config,
            start_after: Duration::ZERO,
            period,
            jitter: Duration::ZERO,
            payload,
            on_downlink: Box::new(|_| Vec::new()),
            rebind: Rebind::default(),
            deregister: false,
        }
    }
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

/// Where devices speak to, and over what.
#[derive(Debug, Clone, Copy)]
pub struct Ground {
    /// The gateway.
    pub server: SocketAddr,
    /// Makes, with a device's place in the list, its random numbers and those of its network.
    pub seed: [u8; 32],
    /// What the network does to their datagrams.
    pub conditions: Conditions,
    /// So many sockets for all; none = one each. Only devices that sleep can share: what comes for a device that has given its
    /// socket back is heard by another, or by nobody.
    pub sockets: Option<usize>,
}

/// Runs the devices until `stop` becomes true or its sender is gone. Happenings go to `watcher`, and a full channel holds the device
/// up; a closed one is nothing.
///
/// # Errors
/// There are not so many sockets to be had (the error says how many, and what to do), or one cannot be used. An unreachable server
/// is no error: the device tries again.
pub async fn run(
    ground: Ground,
    devices: Vec<SimulatedDevice>,
    watcher: mpsc::Sender<Reported>,
    stop: watch::Receiver<bool>,
) -> io::Result<()> {
    let sockets = Arc::new(Sockets::open(ground.server, devices.len(), ground.sockets).await?);
    let mut tasks = JoinSet::new();
    for (place, simulated) in devices.into_iter().enumerate() {
        let seed = |part: &[u8]| {
            *blake3::Hasher::new_keyed(&ground.seed).update(&place.to_le_bytes()).update(part).finalize().as_bytes()
        };
        let endpoint = simulated.config.endpoint.as_str().into();
        let life = Life {
            line: sockets.line(place).await?,
            device: Device::new(simulated.config.clone(), seed(b"device")),
            network: Network::new(ground.conditions, seed(b"network")),
            travelling: BinaryHeap::new(),
            travelled: 0,
            nat: Nat::new(simulated.rebind),
            random: Random::new(seed(b"pauses")),
            simulated,
            endpoint,
            watcher: watcher.clone(),
        };
        tasks.spawn(life.live(stop.clone()));
    }
    while let Some(ended) = tasks.join_next().await {
        ended.map_err(io::Error::other)??;
    }
    Ok(())
}

/// Which way a datagram travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    Up,
    Down,
}

/// A datagram that arrives later; a number keeps those of one moment in order.
type Travelling = (std::time::Instant, u64, Way, Vec<u8>);

/// One device on its way through time.
struct Life {
    line: Line,
    device: Device,
    network: Network,
    travelling: BinaryHeap<Reverse<Travelling>>,
    travelled: u64,
    nat: Nat,
    random: Random,
    simulated: SimulatedDevice,
    endpoint: Arc<str>,
    watcher: mpsc::Sender<Reported>,
}

impl Life {
    async fn live(mut self, mut stop: watch::Receiver<bool>) -> io::Result<()> {
        tokio::select! {
            () = tokio::time::sleep(self.simulated.start_after) => {}
            () = asked(&mut stop) => return Ok(()),
        }
        let (mut report_at, mut n) = (Some(Instant::now()), 0);
        let mut buffer = vec![0; MAX_DATAGRAM];
        self.device.start(now());
        loop {
            let told_to_stop = tokio::select! {
                spoken = self.speak() => spoken.map(|()| false)?,
                () = asked(&mut stop) => true,
            };
            if told_to_stop {
                break;
            }
            let timer = self.timer();
            tokio::select! {
                () = until(timer) => self.tick().await?,
                () = until(report_at) => {
                    self.device.report(now(), (self.simulated.payload)(n));
                    n += 1;
                    report_at = Instant::now().checked_add(self.pause());
                }
                received = self.line.receive(&mut buffer) => self.receive(&buffer, received)?,
                () = asked(&mut stop) => break,
            }
        }
        if self.simulated.deregister {
            // Best effort: a server that is gone as well does not answer.
            let _ = timeout(FAREWELL, self.farewell(&mut buffer)).await;
        }
        Ok(())
    }

    /// Sends what is to be sent, tells what happened, gives a shared socket back that is not needed.
    async fn speak(&mut self) -> io::Result<()> {
        loop {
            self.flush().await?;
            let Some(happening) = self.device.poll_happening() else { break };
            if let Happening::Downlink { payload } = &happening {
                for response in (self.simulated.on_downlink)(payload) {
                    self.device.report(now(), response);
                }
            }
            self.tell(happening).await;
        }
        if self.travelling.is_empty() && self.device.is_resting(now()) {
            self.line.release();
        }
        Ok(())
    }

    async fn tell(&self, happening: Happening) {
        // Nobody may be watching any more.
        let _ = self.watcher.send(Reported { endpoint: Arc::clone(&self.endpoint), happening }).await;
    }

    async fn farewell(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        self.device.leave(now());
        loop {
            self.flush().await?;
            while let Some(happening) = self.device.poll_happening() {
                let over = matches!(happening, Happening::Deregistered | Happening::Refused { .. });
                let _ = self.watcher.try_send(Reported { endpoint: Arc::clone(&self.endpoint), happening });
                if over {
                    return Ok(());
                }
            }
            let Some(timer) = self.timer() else { return Ok(()) };
            tokio::select! {
                () = sleep_until(timer) => self.tick().await?,
                received = self.line.receive(buffer) => self.receive(buffer, received)?,
            }
        }
    }

    /// When something is due: the device's own timer, a datagram's arrival, or a shared socket that is to be given back.
    fn timer(&self) -> Option<Instant> {
        let arrival = self.travelling.peek().map(|Reverse((at, ..))| *at);
        let rest = if self.line.is_lent() { self.device.rests_at() } else { None };
        [self.device.poll_timeout(), arrival, rest].into_iter().flatten().min().map(Instant::from_std)
    }

    async fn tick(&mut self) -> io::Result<()> {
        let now = now();
        while self.travelling.peek().is_some_and(|Reverse((at, ..))| *at <= now) {
            match self.travelling.pop() {
                Some(Reverse((.., Way::Up, datagram))) => absent(self.line.send(&datagram).await).map(drop)?,
                Some(Reverse((.., Way::Down, datagram))) => self.device.handle_datagram(now, &datagram),
                None => {}
            }
        }
        if self.device.poll_timeout().is_some_and(|at| at <= now) {
            self.device.handle_timeout(now);
        }
        Ok(())
    }

    async fn flush(&mut self) -> io::Result<()> {
        while let Some(datagram) = self.device.poll_transmit() {
            let now = now();
            if self.nat.sends(now) {
                self.line.renew().await?;
                self.tell(Happening::Rebound).await;
            }
            let moments: Vec<_> = self.network.carry(now).collect();
            for at in moments {
                if at <= now {
                    absent(self.line.send(&datagram).await)?;
                } else {
                    self.travel(at, Way::Up, datagram.clone());
                }
            }
        }
        Ok(())
    }

    fn receive(&mut self, buffer: &[u8], received: io::Result<usize>) -> io::Result<()> {
        let Some(datagram) = absent(received)?.and_then(|length| buffer.get(..length)) else { return Ok(()) };
        let now = now();
        self.nat.passes(now);
        let moments: Vec<_> = self.network.carry(now).collect();
        for at in moments {
            if at <= now {
                self.device.handle_datagram(now, datagram);
            } else {
                self.travel(at, Way::Down, datagram.to_vec());
            }
        }
        Ok(())
    }

    fn travel(&mut self, at: std::time::Instant, way: Way, datagram: Vec<u8>) {
        self.travelled += 1;
        self.travelling.push(Reverse((at, self.travelled, way, datagram)));
    }

    /// Until the next report.
    fn pause(&mut self) -> Duration {
        let SimulatedDevice { period, jitter, .. } = self.simulated;
        if jitter.is_zero() {
            return period;
        }
        (period + jitter.mul_f64(2.0 * self.random.draw_fraction())).saturating_sub(jitter)
    }
}

/// Ends when the devices are stopped.
async fn asked(stop: &mut watch::Receiver<bool>) {
    let _owner_gone = stop.wait_for(|stop| *stop).await;
}

fn now() -> std::time::Instant {
    Instant::now().into_std()
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
