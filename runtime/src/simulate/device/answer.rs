//! What a simulated device answers its server: observations, downlinks, further blocks of a report.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Instant;

use super::{Device, REMEMBERED};
use crate::coap::{Code, Collected, Kind, Message, OCTET_STREAM, serve};
use crate::simulate::Happening;

impl Device {
    pub(super) fn answer(&mut self, now: Instant, kind: Kind, message: Message) {
        let known = self.answered.iter().find(|(mid, token, _)| *mid == message.mid && *token == message.token);
        if let Some((.., reply)) = known {
            let reply = reply.clone();
            return self.send(now, reply);
        }
        let mut reply = match kind {
            Kind::Con => Message::new(Kind::Ack, Code::NOT_FOUND, message.mid, message.token),
            _ => Message::new(Kind::Non, Code::NOT_FOUND, self.next_mid(), message.token),
        };
        let path: Vec<&str> = message.path.iter().map(String::as_str).collect();
        match (path.as_slice(), message.code, message.observe) {
            (["19", "0", "0"], Code::GET, Some(0)) => {
                self.observer = Some(message.token);
                (reply.code, reply.observe, reply.content_format) = (Code::CONTENT, Some(0), Some(OCTET_STREAM));
                self.happen(Happening::Observed);
            }
            (["19", "0", "0"], Code::GET, observe) => {
                if observe == Some(1) {
                    self.observer = None;
                }
                (reply.code, reply.content_format) = (Code::CONTENT, message.block2.map(|_| OCTET_STREAM));
                if message.block2.is_some() {
                    reply = serve(&message, reply, &self.reported, self.config.szx);
                }
            }
            (["19", "1", "0"], Code::PUT, _) => {
                // One server: its address tells nothing.
                let server = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
                let collected = self.collector.collect(now, server, &message);
                (reply.code, reply.block1) = match &collected {
                    Collected::Whole(_) => (Code::CHANGED, message.block1),
                    Collected::Continue(block) => (Code::CONTINUE, Some(*block)),
                    Collected::Gap => (Code::INCOMPLETE, None),
                    Collected::TooLarge(_) => (Code::TOO_LARGE, None),
                    Collected::Malformed => (Code::BAD_REQUEST, None),
                };
                if let Collected::Whole(payload) = collected {
                    self.happen(Happening::Downlink { payload });
                }
            }
            (["19", "0" | "1", "0"], ..) => reply.code = Code::METHOD_NOT_ALLOWED,
            _ => {}
        }
        let bytes = reply.to_bytes();
        if self.answered.len() >= REMEMBERED {
            self.answered.pop_front();
        }
        self.answered.push_back((message.mid, message.token, bytes.clone()));
        self.send(now, bytes);
    }
}
