//! The parameters of Register and Update as values; lenient where real clients are (LwM2M Core 6.2, REFERENCE E.3).
//!
//! Knows no registration. A refusal is a code and a short text for the device's log.

use crate::coap::{Code, Message};
use crate::model::Endpoint;

use super::links;

const DEFAULT_LIFETIME_S: u32 = 86_400;

/// Why a request is refused: the code, and the diagnostic payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) code: Code,
    pub(super) text: &'static str,
}

fn bad(text: &'static str) -> Refusal {
    Refusal { code: Code::BAD_REQUEST, text }
}

/// A Register without its ticket.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Register {
    pub(super) endpoint: String,
    pub(super) lifetime_s: u32,
    pub(super) version: String,
    pub(super) binding: String,
    pub(super) objects: Vec<String>,
    pub(super) formats: Vec<u16>,
}

/// What an Update changes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Update {
    pub(super) lifetime_s: Option<u32>,
    pub(super) binding: Option<String>,
    /// Paths and formats.
    pub(super) objects: Option<(Vec<String>, Vec<u16>)>,
}

#[derive(Default)]
struct Parameters<'a> {
    ep: Option<&'a str>,
    lt: Option<u32>,
    lwm2m: Option<&'a str>,
    b: Option<&'a str>,
    /// Queue mode of LwM2M 1.1, a parameter of its own.
    queue: bool,
    sms: Option<&'a str>,
}

impl<'a> Parameters<'a> {
    /// Unknown parameters are ignored, repeated ones are a mistake.
    fn read(query: &'a [String]) -> Result<Self, Refusal> {
        let mut parameters = Self::default();
        for parameter in query {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let again = match name {
                "ep" => parameters.ep.replace(value).is_some(),
                "lt" => parameters.lt.replace(lifetime(value)?).is_some(),
                "lwm2m" => parameters.lwm2m.replace(version(value)?).is_some(),
                "b" => parameters.b.replace(binding(value)?).is_some(),
                "Q" => std::mem::replace(&mut parameters.queue, true),
                "sms" => parameters.sms.replace(value).is_some(),
                _ => false,
            };
            if again {
                return Err(bad("a parameter is given twice"));
            }
        }
        Ok(parameters)
    }
}

impl Parameters<'_> {
    /// The binding with `Q` at its end where queue mode is a parameter of its own; `U` if only that is said.
    fn binding(&self) -> Option<String> {
        let named = self.b.or(self.queue.then_some("U"))?;
        let queue = if self.queue && !named.contains('Q') { "Q" } else { "" };
        Some(format!("{named}{queue}"))
    }
}

/// Digits only, 1 or more.
fn lifetime(text: &str) -> Result<u32, Refusal> {
    let number = text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    number.filter(|seconds| *seconds > 0).ok_or(bad("lt is not 1 to 4294967295 seconds"))
}

/// 1.0, 1.1, 1.2, also `1.0.0` as some clients write it.
fn version(text: &str) -> Result<&str, Refusal> {
    let known = text == "1" || text.strip_prefix("1.").is_some_and(|minor| minor.len() <= 8 && !minor.is_empty());
    if known && text.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        Ok(text)
    } else {
        Err(Refusal { code: Code::PRECONDITION_FAILED, text: "lwm2m is not 1.x" })
    }
}

/// `U`, `UQ`, `UQS`, also the letters of LwM2M 1.1 (T, N, H).
fn binding(text: &str) -> Result<&str, Refusal> {
    let known = (1..=6).contains(&text.len()) && text.bytes().all(|b| b"UTSNHQ".contains(&b));
    if known { Ok(text) } else { Err(bad("b is no binding")) }
}

fn objects(message: &Message) -> Result<(Vec<String>, Vec<u16>), Refusal> {
    links::read(&message.payload).ok_or(bad("payload is no object list"))
}

impl Register {
    /// Reads a Register; the content format of its payload is not looked at (REFERENCE C.2).
    pub(super) fn read(message: &Message) -> Result<Self, Refusal> {
        let parameters = Parameters::read(&message.query)?;
        let endpoint = parameters.ep.ok_or(bad("ep is missing"))?;
        let (objects, formats) = objects(message)?;
        let endpoint = Endpoint::new(endpoint).map_err(|_| bad("ep is not 1 to 128 visible ASCII characters"))?;
        Ok(Self {
            endpoint: endpoint.into(),
            lifetime_s: parameters.lt.unwrap_or(DEFAULT_LIFETIME_S),
            version: parameters.lwm2m.unwrap_or("1.0").to_owned(),
            binding: parameters.binding().unwrap_or_else(|| "U".to_owned()),
            objects,
            formats,
        })
    }
}

impl Update {
    /// Reads an Update; an empty payload leaves the object list as it is.
    pub(super) fn read(message: &Message) -> Result<Self, Refusal> {
        let parameters = Parameters::read(&message.query)?;
        Ok(Self {
            lifetime_s: parameters.lt,
            binding: parameters.binding(),
            objects: if message.payload.is_empty() { None } else { Some(objects(message)?) },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coap::{Kind, Token};

    fn register(query: &[&str], payload: &str) -> Result<Register, Refusal> {
        let mut message = Message::new(Kind::Con, Code::POST, 1, Token::default());
        message.query = query.iter().map(|&parameter| parameter.to_owned()).collect();
        message.payload = payload.as_bytes().to_vec();
        Register::read(&message)
    }

    #[test]
    fn lenient_where_real_clients_are() {
        let all = register(&["lwm2m=1.0", "ep=867000000000001", "b=UQ", "lt=2000", "pid=7"], "</19/0>").unwrap();
        assert_eq!((all.lifetime_s, all.version.as_str(), all.binding.as_str()), (2000, "1.0", "UQ"));
        assert_eq!(all.objects, ["/19/0"]);
        let least = register(&["ep=a"], "").unwrap();
        assert_eq!((least.lifetime_s, least.version.as_str(), least.binding.as_str()), (86_400, "1.0", "U"));
        assert_eq!(register(&["ep=a", "lwm2m=1.0.0"], "").unwrap().version, "1.0.0");
        for (query, binding) in
            [(&["ep=a", "lwm2m=1.1", "b=U", "Q"][..], "UQ"), (&["ep=a", "Q"], "UQ"), (&["ep=a", "b=UQ", "Q"], "UQ")]
        {
            assert_eq!(register(query, "").unwrap().binding, binding, "{query:?}");
        }
        let sms = register(&["ep=a", "sms=491701234567", "b=UQS"], "</>;rt=\"oma.lwm2m\";ct=\"60 112\",</3/0>").unwrap();
        assert_eq!((sms.binding.as_str(), sms.formats), ("UQS", vec![60, 112]));
    }

    #[test]
    fn mistakes_and_their_codes() {
        for (query, payload, text) in [
            (&["lt=60"][..], "", "4.00 ep is missing"),
            (&["ep="], "", "4.00 ep is not 1 to 128 visible ASCII characters"),
            (&["ep"], "", "4.00 ep is not 1 to 128 visible ASCII characters"),
            (&["ep=a b"], "", "4.00 ep is not 1 to 128 visible ASCII characters"),
            (&["ep=a", "ep=b"], "", "4.00 a parameter is given twice"),
            (&["ep=a", "lt=0"], "", "4.00 lt is not 1 to 4294967295 seconds"),
            (&["ep=a", "lt="], "", "4.00 lt is not 1 to 4294967295 seconds"),
            (&["ep=a", "lt=+5"], "", "4.00 lt is not 1 to 4294967295 seconds"),
            (&["ep=a", "lt=4294967296"], "", "4.00 lt is not 1 to 4294967295 seconds"),
            (&["ep=a", "b=X"], "", "4.00 b is no binding"),
            (&["ep=a", "lwm2m=2.0"], "", "4.12 lwm2m is not 1.x"),
            (&["ep=a"], "hello", "4.00 payload is no object list"),
        ] {
            let refusal = register(query, payload).unwrap_err();
            assert_eq!(format!("{} {}", refusal.code, refusal.text), text, "{query:?}");
        }
    }
}
