//! A device's side of the wire, held by the test's hand: every datagram is sent and awaited explicitly.
//!
//! Built with coap-lite and nothing of the gateway's own CoAP code, so that the two do not share a misreading.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use coap_lite::{CoapOption, MessageClass, MessageType, Packet, RequestType, ResponseType};
use tokio::net::UdpSocket;
use tokio::time::timeout;

use crate::patience;

/// A device with one socket.
pub struct RawDevice {
    socket: UdpSocket,
    mid: u16,
    token: Vec<u8>,
    location: Vec<String>,
    /// Requests of the gateway that came while something else was awaited.
    requests: Vec<Packet>,
    /// Messages that were sent again, and answers that nothing waited for.
    resent: u64,
    strays: u64,
}

impl RawDevice {
    /// A socket that talks to this gateway.
    ///
    /// # Panics
    /// When there is no socket.
    pub async fn new(server: SocketAddr) -> Self {
        Self::at(Ipv4Addr::LOCALHOST, server).await
    }

    /// The same at another of this machine's addresses.
    ///
    /// # Panics
    /// When there is no socket.
    pub async fn at(own: Ipv4Addr, server: SocketAddr) -> Self {
        let socket = UdpSocket::bind((own, 0)).await.expect("a socket");
        socket.connect(server).await.expect("a route");
        Self { socket, mid: 1, token: Vec::new(), location: Vec::new(), requests: Vec::new(), resent: 0, strays: 0 }
    }

    /// Registers, answers the Observe with an empty 2.05 as LiteOS does, and is ready to report.
    ///
    /// # Panics
    /// When it is not let in.
    pub async fn registered(server: SocketAddr, endpoint: &str) -> Self {
        let mut device = Self::new(server).await;
        let answer = device.register(endpoint).await;
        assert_eq!(answer.header.get_code(), "2.01", "{endpoint} is let in");
        device.observed().await;
        device
    }

    /// Sends a Register and returns its answer.
    ///
    /// # Panics
    /// When no answer comes.
    pub async fn register(&mut self, endpoint: &str) -> Packet {
        let mut request = self.request(RequestType::Post, &["rd"]);
        for query in [format!("ep={endpoint}"), "lt=86400".to_owned(), "lwm2m=1.0".to_owned(), "b=U".to_owned()] {
            request.add_option(CoapOption::UriQuery, query.into_bytes());
        }
        request.add_option(CoapOption::ContentFormat, vec![40]);
        request.payload = b"</>;rt=\"oma.lwm2m\",</1/0>,</3/0>,</19/0>,</19/1>".to_vec();
        let answer = self.exchange(&request).await;
        let path = answer.get_option(CoapOption::LocationPath).into_iter().flatten();
        self.location = path.map(|segment| String::from_utf8_lossy(segment).into_owned()).collect();
        answer
    }

    /// The Location-Path that Register gave.
    #[must_use]
    pub fn location(&self) -> Vec<&str> {
        self.location.iter().map(String::as_str).collect()
    }

    /// Awaits the Observe of /19/0/0 and answers it.
    ///
    /// # Panics
    /// When another request comes.
    pub async fn observed(&mut self) {
        let request = self.next_request().await;
        assert_eq!(request.header.get_code(), "0.01");
        assert_eq!(uri(&request), "19/0/0");
        self.token = request.get_token().to_vec();
        let mut answer = reply(&request, ResponseType::Content);
        answer.add_option(CoapOption::Observe, vec![]);
        self.send(&answer).await;
    }

    /// A request with the next message id.
    pub fn request(&mut self, method: RequestType, path: &[&str]) -> Packet {
        self.mid = self.mid.wrapping_add(1);
        let mut request = Packet::new();
        request.header.set_type(MessageType::Confirmable);
        request.header.code = MessageClass::Request(method);
        request.header.message_id = self.mid;
        request.set_token(self.mid.to_be_bytes().to_vec());
        for segment in path {
            request.add_option(CoapOption::UriPath, segment.as_bytes().to_vec());
        }
        request
    }

    /// A notify with the next message id.
    pub fn notify(&mut self, payload: &[u8], kind: MessageType) -> Packet {
        self.mid = self.mid.wrapping_add(1);
        let mut notify = Packet::new();
        notify.header.set_type(kind);
        notify.header.code = MessageClass::Response(ResponseType::Content);
        notify.header.message_id = self.mid;
        notify.set_token(self.token.clone());
        notify.add_option(CoapOption::Observe, self.mid.to_be_bytes().to_vec());
        notify.add_option(CoapOption::ContentFormat, vec![42]);
        notify.payload = payload.to_vec();
        notify
    }

    /// Sends a confirmable report and awaits its acknowledgement.
    ///
    /// # Panics
    /// When it is not acknowledged, or answered with a reset.
    pub async fn report(&mut self, payload: &[u8]) {
        let notify = self.notify(payload, MessageType::Confirmable);
        let answer = self.exchange(&notify).await;
        assert_eq!(answer.header.get_type(), MessageType::Acknowledgement);
    }

    /// Sends a confirmable report again and again, also while the gateway is gone, until it is acknowledged.
    pub async fn report_until_acknowledged(&mut self, payload: &[u8], every: Duration) {
        let notify = self.notify(payload, MessageType::Confirmable);
        let Ok(datagram) = notify.to_bytes() else { return };
        loop {
            // A gateway that was killed answers with ICMP errors.
            if self.socket.send(&datagram).await.is_err() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            if let Ok(answer) = timeout(every, self.answer_to(notify.header.message_id)).await
                && answer.header.get_type() == MessageType::Acknowledgement
            {
                return;
            }
        }
    }

    /// Sends a datagram as it is.
    ///
    /// # Panics
    /// When the socket fails.
    pub async fn send(&self, packet: &Packet) {
        self.socket.send(&packet.to_bytes().expect("a packet")).await.expect("a datagram leaves");
    }

    /// Sends a confirmable message, again every 2 s, until an answer with its message id comes.
    ///
    /// # Panics
    /// When none comes.
    pub async fn exchange(&mut self, message: &Packet) -> Packet {
        let answered = timeout(patience(), async {
            loop {
                self.send(message).await;
                self.resent += 1;
                let wait = timeout(Duration::from_secs(2), self.answer_to(message.header.message_id)).await;
                if let Ok(answer) = wait {
                    self.resent -= 1;
                    return answer;
                }
            }
        });
        answered.await.expect("an answer comes")
    }

    async fn answer_to(&mut self, mid: u16) -> Packet {
        loop {
            let packet = self.receive().await;
            let is_answer = matches!(packet.header.get_type(), MessageType::Acknowledgement | MessageType::Reset);
            if is_answer && packet.header.message_id == mid {
                return packet;
            }
            if is_answer {
                self.strays += 1;
            } else {
                self.requests.push(packet);
            }
        }
    }

    /// Answers that came twice: those that nothing waited for, beyond one for each message that had to be sent again.
    #[must_use]
    pub fn answered_twice(&self) -> u64 {
        self.strays.saturating_sub(self.resent)
    }

    /// The gateway's next request.
    ///
    /// # Panics
    /// When none comes.
    pub async fn next_request(&mut self) -> Packet {
        if !self.requests.is_empty() {
            return self.requests.remove(0);
        }
        loop {
            let packet = timeout(patience(), self.receive()).await.expect("a request comes");
            if matches!(packet.header.code, MessageClass::Request(_)) {
                return packet;
            }
        }
    }

    /// Awaits a PUT of /19/1/0, answers 2.04, returns its payload.
    ///
    /// # Panics
    /// When another request comes.
    pub async fn downlink(&mut self) -> Vec<u8> {
        let request = self.next_request().await;
        assert_eq!(request.header.get_code(), "0.03");
        assert_eq!(uri(&request), "19/1/0");
        self.send(&reply(&request, ResponseType::Changed)).await;
        request.payload
    }

    async fn receive(&self) -> Packet {
        let mut buffer = [0_u8; 4096];
        loop {
            let Ok(length) = self.socket.recv(&mut buffer).await else {
                tokio::time::sleep(Duration::from_millis(5)).await;
                continue;
            };
            if let Some(Ok(packet)) = buffer.get(..length).map(Packet::from_bytes) {
                return packet;
            }
        }
    }
}

/// An acknowledgement that carries a response.
#[must_use]
pub fn reply(request: &Packet, code: ResponseType) -> Packet {
    let mut answer = Packet::new();
    answer.header.set_type(MessageType::Acknowledgement);
    answer.header.code = MessageClass::Response(code);
    answer.header.message_id = request.header.message_id;
    answer.set_token(request.get_token().to_vec());
    answer
}

/// The path of a request, such as `19/0/0`.
#[must_use]
pub fn uri(request: &Packet) -> String {
    let segments = request.get_option(CoapOption::UriPath).into_iter().flatten();
    segments.map(|segment| String::from_utf8_lossy(segment).into_owned()).collect::<Vec<_>>().join("/")
}
